"""Coverage: which windows of a stream were delivered, whichever DAG, run or window size has sent them.

The folder of a stream has a folder for each of its windows, and the name of that folder *is* the window. So a listing
tells what overlaps, without any index that could disagree with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from airflow_provider_bik.delivery import empty_report
from airflow_provider_bik.errors import BikAlreadyDeliveredError, BikConfigError, BikOverlapError
from airflow_provider_bik.state.record import Attempt, Delivered, DeliveryRecord, IfDelivered
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.windows import Window

__all__ = ["BETWEEN", "Piece", "Stream", "time_in", "window_in", "window_name"]

WHOLE, GROWING = "whole", "growing"
"""The folders of a stream without windows: delivered as a whole, or run after run by a watermark."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)(?:-(\d\d(?:\.\d{3})?))?([+-]\d{4,6})")
BETWEEN = "--"
"""What stands between the two times in the name of a window."""
_NAMED = 5
"""Windows that a message names."""


def window_name(window: Window, zone: tzinfo) -> str:
    """The name of a window's folder, with times as people in that zone know them."""
    return f"{_time_name(window.start.astimezone(zone))}{BETWEEN}{_time_name(window.end.astimezone(zone))}"


def window_in(name: str) -> Window | None:
    """The window that the name of a folder says; None if it says none."""
    start, end = (time_in(part) for part in name.partition(BETWEEN)[::2])
    return None if start is None or end is None else Window(start, end)


def _time_name(time: datetime) -> str:
    """A colon is not safe in the names of all storages."""
    seconds = f"-{time:%S}" if time.second or time.microsecond else ""
    fraction = f".{time.microsecond // 1000:03d}" if time.microsecond else ""
    return f"{time:%Y-%m-%dT%H-%M}{seconds}{fraction}{time:%z}"


def time_in(text: str) -> datetime | None:
    """The moment that one half of such a name says, with the offset that it says; None if it says none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, offset = found.groups()
    return datetime.fromisoformat(f"{day}{hour}:{minute}:{second or '00'}{offset}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of what was asked for that is still to be delivered.

    Attributes:
        window: Its window; None where there is none.
        folder: Of its record; None where no state path is given.
        delivery: In words.
        stream: What it is a part of, if it has a window.
        everything_in_doubt: Whether other deliveries may have sent events of it already.
    """

    window: Window | None
    folder: Folder | None
    delivery: str
    stream: Stream | None = None
    everything_in_doubt: bool = False


class Stream:
    """The deliveries of one stream.

    Args:
        folder: Of the stream.
        name: In words.
        attempt: The try.
    """

    def __init__(self, folder: Folder, name: str, attempt: Attempt) -> None:
        self.folder = folder
        self._name = name
        self._attempt = attempt

    def whole(self) -> Piece:
        """The stream as one delivery.

        Raises:
            BikConfigError: It was delivered in another way before, so that nobody can tell what overlaps.
        """
        return self._undivided(WHOLE)

    def growing(self) -> Piece:
        """The stream as one that grows from run to run.

        Raises:
            BikConfigError: As for `whole`.
        """
        return self._undivided(GROWING)

    def _undivided(self, folder: str) -> Piece:
        self._check_kind(folder, self.folder.names())
        return Piece(window=None, folder=self.folder.folder(folder), delivery=self._name)

    def windows(self, window: Window, if_delivered: IfDelivered, *, can_trim: bool) -> list[Piece] | Delivered:
        """What of a window is to be delivered.

        Args:
            window: What is asked for.
            if_delivered: What happens to what was delivered before.
            can_trim: Whether the input can be cut to a part of the window.

        Returns:
            The pieces, in order; or that nothing is left.

        Raises:
            BikAlreadyDeliveredError: A part was delivered, and the user's choice does not allow for that.
            BikOverlapError: Another delivery that is not finished holds a part of it.
            BikConfigError: The stream was delivered without windows before.
        """
        names = self.folder.names()
        self._check_kind("", names)
        delivered, unfinished = self._overlapping(window, names)
        own = self._piece(window, names)
        if window in delivered or not (delivered or unfinished):
            # Its own record knows what to do.
            return [own]
        if self._has_begun(window, names):
            # It goes on, whatever else was sent meanwhile: what it has sent already is known to its record alone.
            return [replace(own, everything_in_doubt=True)]
        if if_delivered is IfDelivered.RESEND:
            return [replace(own, everything_in_doubt=True)]
        left = window.without(delivered)
        if not left and if_delivered is not IfDelivered.REFUSE:
            return Delivered(report=self._report_of(delivered), by=", ".join(sorted(set(delivered.values()))[:_NAMED]))
        if if_delivered is IfDelivered.TRIM and (can_trim or left == [window]):
            self._check_unfinished(left, unfinished)
            return [self._piece(each, names) for each in left]
        if delivered:
            raise BikAlreadyDeliveredError(self._partly(window, delivered))
        self._check_unfinished([window], unfinished)
        return [own]

    def check_alone(self, piece: Piece) -> None:
        """Look once more, after this try has written its first lease, whether another one began at the same moment.

        Raises:
            BikOverlapError: One did; nothing was sent under that lease.
        """
        if piece.window is None:
            return
        delivered, unfinished = self._overlapping(piece.window, self.folder.names())
        others = {each: run for each, run in (delivered | unfinished).items() if each != piece.window}
        self._check_unfinished([], others)

    def _overlapping(self, window: Window, names: Sequence[str]) -> tuple[dict[Window, str], dict[Window, str]]:
        """The windows that overlap, delivered and unfinished, each with the run behind it."""
        delivered: dict[Window, str] = {}
        unfinished: dict[Window, str] = {}
        for name in names:
            other = window_in(name)
            if other is None or not other.overlaps(window):
                continue
            record = self._record(name)
            found = record.find()
            if found is not None and found.current.state == "delivered":
                delivered[other] = found.current.run
            elif other != window and record.may_have_sent(found):
                unfinished[other] = "a run whose record is gone" if found is None else found.current.run
        return delivered, unfinished

    def _has_begun(self, window: Window, names: Sequence[str]) -> bool:
        record = self._record(self._folder_name(window, names))
        return record.may_have_sent(record.find())

    def _record(self, name: str) -> DeliveryRecord:
        return DeliveryRecord(self.folder.folder(name), f"{self._name}, window {name}", self._attempt)

    def _piece(self, window: Window, names: Sequence[str]) -> Piece:
        return Piece(
            window=window,
            folder=self.folder.folder(self._folder_name(window, names)),
            delivery=f"{self._name}, window {window.text(self._attempt.zone)}",
            stream=self,
        )

    def _folder_name(self, window: Window, names: Sequence[str]) -> str:
        """A folder that is there keeps its name, whatever the zone it was named in."""
        return next((each for each in names if window_in(each) == window), window_name(window, self._attempt.zone))

    def _check_unfinished(self, pieces: Sequence[Window], unfinished: dict[Window, str]) -> None:
        others = [each for each in unfinished if each not in pieces]
        if others:
            shown = "; ".join(
                f"{each.text(self._attempt.zone)} by {unfinished[each]}" for each in sorted(others)[:_NAMED]
            )
            message = (
                f"{self._name}: {len(others)} deliveries that hold a part of this window have begun and not ended: "
                f"{shown}. Nothing was sent. Let them end, or clear them so that they go on; then retry. To send this "
                "window whatever they have sent, set if_delivered='resend'."
            )
            raise BikOverlapError(message)

    def _partly(self, window: Window, delivered: dict[Window, str]) -> str:
        zone = self._attempt.zone
        shown = "; ".join(f"{each.text(zone)} by {delivered[each]}" for each in sorted(delivered)[:_NAMED])
        whole = not window.without(delivered)
        remedy = "skip'; to send" if whole else "trim' with an input that can be cut, such as SqlToBikOperator; to send"
        return (
            f"{self._name}: {'all' if whole else 'a part'} of the window {window.text(zone)} was delivered before, in "
            f"{len(delivered)} windows: {shown}. Nothing was sent, and a retry sends nothing either. To send only what "
            f"is missing, set if_delivered='{remedy} all of it again, which customers may notice, "
            "if_delivered='resend'."
        )

    def _report_of(self, delivered: dict[Window, str]) -> dict[str, object]:
        windows = [each.text(self._attempt.zone) for each in sorted(delivered)]
        return {**empty_report(), "already_delivered": True, "delivered_windows": windows}

    def _check_kind(self, folder: str, names: Sequence[str]) -> None:
        others = {WHOLE: "as a whole", GROWING: "by a watermark"}
        found = [text for name, text in others.items() if name in names and name != folder]
        if folder and any(window_in(name) for name in names):
            found.append("by windows")
        if found:
            message = (
                f"The {self._name} was delivered {' and '.join(found)} before, so that nobody can tell what of this "
                "delivery was sent. Deliver it in the same way, or give another name for the stream. Nothing was sent; "
                "a retry cannot help before."
            )
            raise BikConfigError(message)
