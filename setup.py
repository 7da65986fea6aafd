"""Asks CMake to build and install ``pyengine/_core``; everything else is in pyproject.toml."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
run = functools.partial(subprocess.run, check=True)


def version() -> str:
    """The one in CMakeLists.txt, so that there is a single source."""
    match = re.search(
        r"project\(pyengine VERSION (\d+\.\d+\.\d+)", (ROOT / "CMakeLists.txt").read_text()
    )
    if match is None:
        raise RuntimeError("CMakeLists.txt: no project(pyengine VERSION x.y.z)")
    return match[1]


class CMakeBuild(build_ext):
    """`build_ext` that configures, builds and installs with CMake."""

    def build_extension(self, ext: Extension) -> None:
        import pybind11

        destination = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        build = Path(self.build_temp).resolve()
        config = "Debug" if self.debug else "Release"
        # A second `pip install` finds the first one's cache, but not its temporary environment.
        ninja = shutil.which("ninja") or "ninja"
        run(
            [
                "cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja",
                f"-DCMAKE_MAKE_PROGRAM={ninja}",
                f"-DCMAKE_BUILD_TYPE={config}", "-DPYENGINE_BUILD_PYTHON=ON",
                "-DBUILD_SHARED_LIBS=OFF", f"-DPython_EXECUTABLE={sys.executable}",
                f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
                *shlex.split(os.environ.get("CMAKE_ARGS", "")),
            ]
        )  # fmt: skip
        run(["cmake", "--build", str(build), "--config", config])
        run(
            [
                "cmake", "--install", str(build), "--config", config,
                "--component", "python", "--prefix", str(destination),
            ]
        )  # fmt: skip
        # What is inside is told beside the package's metadata (PEP 770), not within the package.
        shutil.rmtree(build / "sboms", ignore_errors=True)
        shutil.move(destination / "sboms", build / "sboms")


class WheelWithSboms(bdist_wheel):
    """`bdist_wheel` that adds the SBOMs which CMake wrote."""

    def write_wheelfile(self, wheelfile_base: str, *args: str) -> None:
        # The last thing that a wheel's metadata gets, also where pip asked for the rest before.
        super().write_wheelfile(wheelfile_base, *args)
        build = Path(self.get_finalized_command("build").build_temp)
        shutil.copytree(build / "sboms", Path(wheelfile_base) / "sboms")


setup(
    version=version(),
    ext_modules=[Extension("pyengine._core", sources=[])],
    cmdclass={"build_ext": CMakeBuild, "bdist_wheel": WheelWithSboms},
)
