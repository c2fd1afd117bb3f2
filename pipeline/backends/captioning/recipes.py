"""Recipes at hand: those of resources/recipes, and the user's own beside them.

Environment: DEMOSCOPE_CONFIG_DIR, as for all settings; else the user's own folder. A recipe of the
user that has the name of a built-in one is used instead of it, and `RecipeBook.problems` says so.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.backends.captioning.recipe_text import MOST_CHARACTERS, parse_recipe, recipe_toml
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.model.recipe import Recipe

log = logging.getLogger(__name__)

APP = "demoscope"
CONFIG_DIR_VARIABLE = "DEMOSCOPE_CONFIG_DIR"
DEFAULT_RECIPE = "hand-collage"
"""Measured best on models of the Flash class."""
LARGE_MODEL_RECIPE = "hand-collage-pro"
"""Measured best of all, on models of the Pro class."""
MOST_FILES = 200
"""Recipes of the user that are read."""


@dataclass(frozen=True)
class RecipeBook:
    """All recipes at hand.

    Attributes:
        recipes: The default first, then by name.
        problems: One finding per file that cannot be used (`bad_recipe`), or that replaces a
            built-in recipe (`recipe_replaced`, which is no error).
    """

    recipes: tuple[Recipe, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of `recipes`."""
        return tuple(r.name for r in self.recipes)

    def get(self, name: str) -> Recipe:
        """Return a recipe; DataError `no_recipe` with what is wrong with it, or the names."""
        for recipe in self.recipes:
            if recipe.name == name:
                return recipe
        file = re.compile(rf"[\\/]{re.escape(name)}\.toml")
        broken = [p.message for p in self.problems if file.search(p.message)]
        if broken:
            raise DataError("no_recipe", f"the recipe “{name}” cannot be used: {broken[0]}")
        raise DataError("no_recipe", f"no recipe “{name}”; there are: {', '.join(self.names)}")


def user_folder() -> Path:
    """Where people's own recipes lie; it need not exist."""
    given = os.environ.get(CONFIG_DIR_VARIABLE)
    if given:
        return Path(given).expanduser() / "recipes"
    # lazy: tests and containers name their folder
    import platformdirs

    return Path(platformdirs.user_config_dir(APP)) / "recipes"


def shipped_folder() -> Path:
    """Where our own recipes lie."""
    import resources

    return Path(resources.__file__).parent / "recipes"


def load_recipes(folder: Path | None = None) -> RecipeBook:
    """Read all recipes; files that did not change are not read again.

    Args:
        folder: Where the user's recipes lie; None for `user_folder()`.
    """
    problems: list[Problem] = []
    found = {r.name: r for r in _folder(shipped_folder(), problems, built_in=True)}
    for recipe in _folder(folder or user_folder(), problems, built_in=False):
        if recipe.name in found:
            message = f"{recipe.origin} is used instead of the built-in recipe “{recipe.name}”."
            problems.append(Problem("recipe_replaced", message, Severity.INFO))
        found[recipe.name] = recipe
    ordered = sorted(found.values(), key=lambda r: (r.name != DEFAULT_RECIPE, r.name))
    return RecipeBook(tuple(ordered), tuple(problems))


def _folder(folder: Path, problems: list[Problem], *, built_in: bool) -> list[Recipe]:
    try:
        files = sorted(p for p in folder.glob("*.toml") if p.is_file())
    except OSError as error:
        problems.append(Problem("bad_recipe", f"{folder}: cannot be read ({error.strerror})."))
        return []
    if len(files) > MOST_FILES:
        message = f"{folder}: of {len(files)} recipes the first {MOST_FILES} are read."
        problems.append(Problem("bad_recipe", message))
    recipes = []
    for path in files[:MOST_FILES]:
        try:
            stamp = path.stat()
            recipes.append(_read(path, built_in, stamp.st_mtime_ns, stamp.st_size))
        except (DataError, OSError) as error:
            reason = str(error) if isinstance(error, DataError) else f"{path}: {error.strerror}"
            problems.append(Problem("bad_recipe", f"{reason}; this recipe is left out."))
            log.warning("recipe: %s", reason)
    return recipes


@lru_cache(maxsize=2 * MOST_FILES)
def _read(path: Path, built_in: bool, changed: int, size: int) -> Recipe:
    """A file; `changed` and `size` make sure that an edited one is read again."""
    if size > MOST_CHARACTERS:
        raise DataError("bad_recipe", f"{path}: {size} bytes, more than a recipe can need")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("bad_recipe", f"{path}: expected UTF-8, it is no text") from error
    return parse_recipe(text, path.stem, "built in" if built_in else str(path))


__all__ = [
    "DEFAULT_RECIPE",
    "LARGE_MODEL_RECIPE",
    "RecipeBook",
    "load_recipes",
    "parse_recipe",
    "recipe_toml",
    "shipped_folder",
    "user_folder",
]
