"""A Connection as a person makes and tests it in Airflow's UI."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

__all__ = ["ConnectionForm"]


@dataclass(frozen=True, slots=True)
class ConnectionForm:
    """The page of the Connections, and the form on it.

    Attributes:
        page: A browser that is logged in.
        url: Of Airflow.
        conn_id: Of the Connection.
    """

    page: Page
    url: str
    conn_id: str = "bik_default"

    def begin(self) -> Locator:
        """Open the form and choose the type."""
        self.page.goto(f"{self.url}/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        form = self.page.get_by_role("dialog")
        form.locator("input[name=connection_id]").fill(self.conn_id)
        form.get_by_role("combobox").last.click()
        self.page.keyboard.type("BIK")
        self.page.get_by_role("option", name="BIK", exact=True).click()
        form.get_by_text("API key").wait_for()
        return form

    def add(self, port: int, secret: str) -> None:
        """Make a Connection to a sandbox."""
        form = self.begin()
        form.locator("input[name=host]").fill("http://127.0.0.1")
        form.locator("input[name=port]").fill(str(port))
        form.locator("input[name=login]").fill("sandbox-key")
        form.locator("input[name=password]").fill(secret)
        form.get_by_role("button", name="Extra Fields", exact=True).click()
        form.locator("#element_app_id").fill("sandbox-app")
        self._save(form)

    def change_secret(self, secret: str) -> None:
        """Open the only Connection and give it another secret."""
        self.page.get_by_role("button", name="Edit Connection").click()
        form = self.page.get_by_role("dialog")
        form.locator("input[name=password]").fill(secret)
        self._save(form)

    def _save(self, form: Locator) -> None:
        form.get_by_role("button", name="Save").click()
        expect(form).to_be_hidden()

    def press_test(self, answer: str) -> None:
        """Test it; what Airflow then says must have this in it."""
        self.page.get_by_role("button", name="Test Connection").click()
        self.page.get_by_text(answer).first.wait_for()
