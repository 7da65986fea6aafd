"""Settings from a TOML file, and to and from the plain values that checkpoints hold."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from train.models import network_config
from train.settings import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIGS = Path(__file__).parent / "configs"
T = TypeVar("T")

_ALLOWED: dict[tuple[str, str], tuple[str, ...]] = {
    ("loss", "name"): ("cross_entropy", "bce", "mse", "dice", "cross_entropy+dice"),
    ("optimizer", "name"): ("sgd", "adam", "adamw"),
    ("optimizer", "schedule"): ("cosine", "constant"),
    ("trainer", "monitor_mode"): ("max", "min"),
    ("trainer", "calibrate"): ("", "accuracy", "dice"),
    ("data", "preprocessing"): ("standardize", "rescale"),
}


def known_configs() -> list[str]:
    """Names of the configurations in ``train/configs``."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def config_file(name_or_path: str) -> Path:
    """The TOML file that `load_config` reads."""
    path = Path(name_or_path)
    return path if path.suffix == ".toml" else CONFIGS / f"{name_or_path}.toml"


def load_config(
    name_or_path: str, overrides: dict[str, dict[str, Any]] | None = None
) -> TrainConfig:
    """Read ``train/configs/NAME.toml`` or any TOML file.

    Parameters
    ----------
    name_or_path : str
        Name of a configuration, or a path that ends in ``.toml``.
    overrides : dict of dict, optional
        Section to values that replace those of the file.

    Raises
    ------
    ValueError
        An unknown name, key or value, with those that exist.
    """
    path = config_file(name_or_path)
    if not path.is_file():
        raise ValueError(f"no configuration {name_or_path!r}; known: {', '.join(known_configs())}")
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML ({error})") from error
    for section, changes in (overrides or {}).items():
        values[section] = values.get(section, {}) | changes
    return config_from_dict({"name": path.stem} | values, str(path))


def config_from_dict(values: dict[str, Any], where: str) -> TrainConfig:
    """Fill the dataclasses from nested dicts, as `config_to_dict` gives them."""
    values = dict(values)
    if "system" not in values:
        raise ValueError(f"{where}: system is missing")
    network = network_config(values.pop("network", {}), where)
    sections = {
        f.name: _fill(f.default_factory, values.pop(f.name, {}), f"{where}: [{f.name}]")
        for f in fields(TrainConfig)
        if f.name != "network" and is_dataclass(f.default_factory)
    }  # type: ignore[misc]
    for (section, key), allowed in _ALLOWED.items():
        value = getattr(sections[section], key)
        if value not in allowed:
            raise ValueError(f"{where}: {section}.{key} must be one of {allowed}, got {value!r}")
    adjacent = sections["data"].adjacent
    if adjacent < 1 or adjacent % 2 == 0:
        raise ValueError(f"{where}: data.adjacent must be odd and >= 1, got {adjacent}")
    widths = sections["data"].reference_widths
    if any(width < 1 for width in widths):
        raise ValueError(f"{where}: data.reference_widths must be >= 1 px, got {list(widths)}")
    return _fill(TrainConfig, values | sections | {"network": network}, where)


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Nested dicts of plain values, for checkpoints."""
    return asdict(config)


def _fill(cls: type[T], values: dict[str, Any], where: str) -> T:
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{where}: unknown keys {unknown}; known: {sorted(known)}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
