"""The rules of the house: who may import whom, what rooms are called, and that public names stay what they were.

`public_names.json` holds the names and signatures of the package before it had wings, after chapter 4, and of wings
that came later, as ``KIND:name=default``.
"""

import ast
import importlib
import inspect
import json
from pathlib import Path

import pytest

import scomics_lite

PACKAGE = Path(scomics_lite.__file__).parent
OUTSIDE = {"__init__", "__main__", "_environment"}  # run before the environment is there
TOP = {"course", "plots"}
PUBLIC = json.loads((Path(__file__).parent / "public_names.json").read_text(encoding="utf-8"))
# Where an argument moved on purpose: the old order is accepted with a notice, and has a test.
REORDERED = {("dispersion", "moments")}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
ROOMS = {name: path for name, path in MODULES.items() if name and name.split(".")[0] not in OUTSIDE}
WINGS = sorted({name.split(".")[0] for name in ROOMS})
FACES = [wing for wing in WINGS if MODULES[wing].name == "__init__.py"]


def imported(name):
    """Modules of the package that a module imports anywhere, by their names inside the package."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scomics_lite":
            module = (node.module or "").removeprefix("scomics_lite").removeprefix(".")
            for alias in node.names:
                whole = f"{module}.{alias.name}".removeprefix(".")
                found.add(whole if whole in MODULES else module)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("scomics_lite.") for alias in node.names if "scomics_lite." in alias.name}
    return found - {""}


def circle(graph):
    """A path that comes back to where it began, or None."""
    done = set()

    def walk(at, path):
        if at in path:
            return [*path[path.index(at) :], at]
        if at in done:
            return None
        for to in sorted(graph.get(at, ())):
            found = walk(to, [*path, at])
            if found:
                return found
        done.add(at)
        return None

    return next((found for start in sorted(graph) if (found := walk(start, []))), None)


def test_the_parts_of_these_tests_find_what_they_look_for():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert "glm" in imported("differential.routes")
    assert {"glm", "dispersion", "validation"} <= set(FACES)


def test_no_wing_imports_itself_by_way_of_others():
    wings = {wing: set() for wing in WINGS}
    for name in ROOMS:
        wing = name.split(".")[0]
        wings[wing] |= {other.split(".")[0] for other in imported(name)} - {wing} - OUTSIDE
    assert circle(wings) is None


@pytest.mark.parametrize("wing", FACES)
def test_no_room_imports_itself_by_way_of_others(wing):
    # A face imports its rooms; rooms import each other, never the face.
    rooms = {name for name in ROOMS if name.startswith(f"{wing}.") and MODULES[name].name != "__init__.py"}
    graph = {name: imported(name) & rooms for name in rooms}
    assert circle(graph) is None
    if wing not in TOP:
        assert not [name for name in sorted(rooms) if wing in imported(name)]


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_no_wing_reaches_into_another_s_rooms(name):
    wing = name.split(".")[0]
    foreign = [other for other in imported(name) if "." in other and other.split(".")[0] != wing]
    assert not foreign


@pytest.mark.parametrize("name", [name for name in sorted(ROOMS) if name.split(".")[0] not in TOP])
def test_statistics_import_neither_course_nor_plots(name):
    assert not {other.split(".")[0] for other in imported(name)} & TOP


@pytest.mark.parametrize("wing", [wing for wing in FACES if wing != "course"])
def test_no_room_has_the_name_of_what_its_wing_hands_out(wing):
    rooms = {name.split(".")[1] for name in ROOMS if name.startswith(f"{wing}.")}
    assert not rooms & set(importlib.import_module(f"scomics_lite.{wing}").__all__)


@pytest.mark.parametrize("wing", FACES)
def test_a_face_is_a_tour_and_hands_on_names(wing):
    tree = ast.parse(MODULES[wing].read_text(encoding="utf-8"))
    tour = ast.get_docstring(tree)
    assert tour
    if wing in TOP:
        return
    assert "hapter" in tour, f"{wing}: which chapter?"
    assert "first" in tour, f"{wing}: which file first?"
    assert all(isinstance(node, ast.ImportFrom | ast.Assign | ast.Expr) for node in tree.body), f"{wing} holds code"
    rooms = {name.split(".")[1] for name in ROOMS if name.startswith(f"{wing}.")}
    assert not [room for room in sorted(rooms) if f"`{room}`" not in tour], f"{wing}: the tour passes a room by"


ROOMS_WITH_ROOMS = [name for name in sorted(ROOMS) if "." in name and MODULES[name].name == "__init__.py"]


@pytest.mark.parametrize("room", [name for name in ROOMS_WITH_ROOMS if name.split(".")[0] not in TOP])
def test_a_room_of_rooms_has_a_tour_and_no_code(room):
    tree = ast.parse(MODULES[room].read_text(encoding="utf-8"))
    tour = ast.get_docstring(tree)
    assert len(tree.body) == 1, f"{room} holds code"
    assert "first" in tour, f"{room}: which file first?"
    inside = [name.rsplit(".", 1)[1] for name in ROOMS if name.startswith(f"{room}.")]
    assert inside
    assert not [name for name in inside if f"`{name}`" not in tour], f"{room}: the tour passes a room by"


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_names_and_arguments_are_what_they_were(module):
    now = importlib.import_module(f"scomics_lite.{module}")
    for name, before in PUBLIC[module].items():
        assert hasattr(now, name), f"{module}.{name} is gone"
        if before is None or (module, name) in REORDERED:
            continue
        parameters = inspect.signature(getattr(now, name)).parameters.values()
        assert is_kept(before, parameters), f"{module}.{name} was called with {before}"


def is_kept(before, parameters):
    """Whether a call that worked before works now and means the same: new parameters are keywords with a default."""
    described = [described_parameter(one) for one in parameters]
    old_places = [one for one in before if one.startswith("POSITIONAL")]
    places = [one for one in described if one.startswith("POSITIONAL")]
    if places[: len(old_places)] != old_places:
        return False
    added = [one for one in parameters if described_parameter(one) not in before]
    return set(before) <= set(described) and all(one.default is not one.empty for one in added)


def described_parameter(one):
    default = one.default
    if default is one.empty:
        default = ""
    elif callable(default):
        default = default.__name__
    elif not isinstance(default, int | float | str | bool | None):
        default = repr(default)
    return f"{one.kind.name}:{one.name}={default}"
