"""What windows of a stream were delivered is read from the names of folders; what is left of a window is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.report import empty_report
from airflow_provider_bik.errors import BikAlreadyDeliveredError, BikOverlapError
from airflow_provider_bik.state.coverage import Stream, window_in, window_name
from airflow_provider_bik.state.record import Attempt, Delivered, DeliveryRecord, IfDelivered, OpenGeneration
from airflow_provider_bik.state.storage import Folder, safe_name
from airflow_provider_bik.windows import Window

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ZONES = ["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Africa/Monrovia"]
MOMENTS = st.datetimes(datetime(1960, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - the zone comes next
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


@given(start=MOMENTS, length=st.timedeltas(timedelta(seconds=1), timedelta(days=400)), zone=st.sampled_from(ZONES))
def test_the_name_of_a_folder_is_its_window_in_any_zone(start: datetime, length: timedelta, zone: str) -> None:
    window = Window(start, start + timedelta(seconds=int(length.total_seconds())))
    name = window_name(window, ZoneInfo(zone))
    assert window_in(name) == window
    assert not set(name) & set('/\\:*?"<>| ')


@pytest.mark.parametrize("name", ["whole", "growing", "", "--", "2026-01-01T00-00+0000", "2026-01-01--2026-01-02"])
def test_another_name_says_no_window(name: str) -> None:
    assert window_in(name) is None


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_names_have_different_folders_that_stay_where_they_are(one: str, other: str) -> None:
    names = [safe_name(one), safe_name(other)]
    assert (names[0].lower() == names[1].lower()) is (one == other)
    for name in names:
        assert name not in {"", ".", ".."}
        assert not set(name) & set('/\\:*?"<>| \0')
        assert len(name) <= 93


def test_a_name_that_is_safe_stays_as_it_is() -> None:
    assert safe_name("orders_2026-01") == "orders_2026-01"
    assert safe_name("Orders of a day").startswith("Orders-of-a-day.")


class World:
    """A stream with windows, each a stretch of hours."""

    def __init__(self, directory: str) -> None:
        self.folder = Folder(directory)

    def stream(self, run: str = "run") -> Stream:
        return Stream(self.folder, "stream orders", Attempt(run=run, clears=(0, 0), now=NOW))

    def begin(self, window: Window, run: str = "before") -> OpenGeneration:
        folder = self.folder.folder(window_name(window, UTC))
        began = DeliveryRecord(folder, "orders", Attempt(run=run, clears=(0, 0), now=NOW)).begin(IfDelivered.RESEND)
        assert isinstance(began, OpenGeneration)
        return began

    def deliver(self, window: Window, run: str = "before") -> None:
        self.begin(window, run).conclude({**empty_report(), "read": 1}, delivered=True)


def hours(first: int, end: int) -> Window:
    return Window(NOW + timedelta(hours=first), NOW + timedelta(hours=end))


STRETCHES = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda pair: hours(pair[0], pair[0] + pair[1]))


@given(st.lists(STRETCHES, max_size=4, unique=True), STRETCHES)
def test_trimmed_windows_cover_each_hour_that_no_other_one_covers_exactly_once(
    delivered: list[Window], asked: Window
) -> None:
    with TemporaryDirectory() as directory:
        world = World(directory)
        for window in delivered:
            world.deliver(window)
        found = world.stream().windows(asked, IfDelivered.TRIM, can_trim=True)
        pieces = [] if isinstance(found, Delivered) else [piece.window for piece in found]
    if asked in delivered:
        assert pieces == [asked], "its own record knows that it is done"
        return
    covered = {hour for window in delivered for hour in range(30) if hours(hour, hour + 1).overlaps(window)}
    wanted = {hour for hour in range(30) if hours(hour, hour + 1).overlaps(asked)} - covered
    sent = [hour for piece in pieces if piece for hour in range(30) if hours(hour, hour + 1).overlaps(piece)]
    assert sorted(sent) == sorted(wanted)


def test_a_window_that_was_begun_and_has_sent_nothing_is_in_nobodys_way(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    world.begin(hours(2, 3))
    [piece] = world.stream().windows(hours(0, 5), IfDelivered.REFUSE, can_trim=False)  # type: ignore[misc]  # pieces
    assert (piece.window, piece.everything_in_doubt) == (hours(0, 5), False)


@pytest.mark.parametrize("choice", [IfDelivered.SKIP, IfDelivered.TRIM, IfDelivered.REFUSE])
def test_a_window_whose_record_is_gone_may_have_sent(tmp_path: Path, choice: IfDelivered) -> None:
    world = World(str(tmp_path))
    generation = world.begin(hours(2, 3))
    folder = world.folder.folder(window_name(hours(2, 3), UTC))
    folder.folder(generation.generation.id).write("checkpoint.abc.json", [b"{}"])
    folder.remove(["record.json"])
    with pytest.raises(BikOverlapError, match="by a run whose record is gone"):
        world.stream().windows(hours(0, 5), choice, can_trim=True)


def test_a_message_names_a_few_windows_in_the_zone_of_the_shop(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    for hour in range(8):
        world.deliver(hours(hour, hour + 1), f"run {hour}")
    attempt = Attempt(run="run", clears=(0, 0), now=NOW, zone=ZoneInfo("Asia/Kolkata"))
    with pytest.raises(BikAlreadyDeliveredError, match=r"in 8 windows: 2026-12-01T05:30:00\+05:30") as caught:
        Stream(world.folder, "stream orders", attempt).windows(hours(0, 9), IfDelivered.SKIP, can_trim=False)
    assert str(caught.value).count(" by run ") == 5
