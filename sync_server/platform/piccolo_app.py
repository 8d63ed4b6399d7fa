"""The Piccolo app: one migration history for all domains."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

APP_CONFIG = AppConfig(
    app_name="daengdong",
    migrations_folder_path=str(Path(__file__).resolve().parents[1] / "migrations"),
    table_classes=[],
)
