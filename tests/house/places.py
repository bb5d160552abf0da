"""Where the tree and the build are: from CTest, or by hand what the release preset makes."""
import os
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("UNBLOCK_BUILD_DIR", SOURCE / "build/release"))
