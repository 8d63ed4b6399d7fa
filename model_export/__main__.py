"""`python -m model_export ...`: from data to bundles, one command each.

Each room of the package brings its own commands; they are gathered here and nowhere else.
"""

import typer

from model_export.bundle.command import bundle_command, release_command
from model_export.compare.command import app as compare_app
from model_export.datasets.command import app as datasets_app
from model_export.evaluate.command import evaluate_command, evaluate_real_command
from model_export.export.command import export_command
from model_export.parity.command import verify_command
from model_export.publish.command import publish, sign
from model_export.train.command import train_command

app = typer.Typer(
    help="Generated dogs, training, comparison, export and signed bundles.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("evaluate-real")(evaluate_real_command)
app.command("export")(export_command)
app.command("verify")(verify_command)
app.command("bundle")(bundle_command)
app.command("release")(release_command)
app.add_typer(datasets_app, name="datasets")
app.add_typer(compare_app, name="compare")
app.add_typer(sign, name="sign")
app.command("publish")(publish)
app.command("publish")(publish)
app.add_typer(sign, name="sign")
app.add_typer(datasets_app, name="datasets")
app.add_typer(compare_app, name="compare")

if __name__ == "__main__":
    app()
