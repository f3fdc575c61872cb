"""Install the built wheel alone and import what it must hold: `python tests/wheel.py FOLDER`."""

import subprocess
import sys
import zipfile
from pathlib import Path

NEEDED = (
    "gateway/cli.py",
    "gateway/ledger/migrations/versions/0001_first.py",
    "gateway/state/settle.lua",
    "gateway/state/presence.lua",
    "connectors/github/connector.py",
    "scopes/scope.py",
    "credentials/tokens.py",
)


def main(folder: Path) -> None:
    """Exit with a message where the wheel lacks something or does not import."""
    (wheel,) = folder.glob("gatehouse-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [name for name in NEEDED if name not in names]
    stray = [name for name in names if name.startswith(("tests/", "bench/", "secrets/"))]
    if missing or stray:
        sys.exit(f"{wheel.name}: missing {missing}, stray {stray}")
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True)
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import credentials, secrets, gateway.cli; "
    code += f"assert credentials.__file__.startswith({str(target)!r}), credentials.__file__; secrets.token_hex()"
    subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd=folder)
    print(f"{wheel.name}: {len(names)} files, imports")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
