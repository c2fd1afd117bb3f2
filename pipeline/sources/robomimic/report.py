"""What a robomimic or LIBERO dataset says about itself: what is used, what is not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import Problem, Severity
from pipeline.sources.robomimic.episode import DemoPictures
from pipeline.sources.robomimic.file import Demo, TaskFile


@dataclass(frozen=True, slots=True)
class ReadDemo:
    """A demonstration that was read.

    Attributes:
        demo: What the listing says of it.
        demonstration: Its signals.
        stored: Where its pictures are.
    """

    demo: Demo
    demonstration: Demonstration
    stored: DemoPictures


def version_of(task: TaskFile) -> str:
    """Who recorded a file, with the version if it says so."""
    name = "LIBERO" if task.libero else "robosuite" if task.robosuite else "robomimic"
    return f"{name} {task.version}".strip()


def found_in(tasks: Sequence[TaskFile], first: ReadDemo | None) -> tuple[str, ...]:
    """What was found and is used, a phrase each.

    Args:
        tasks: The files, broken ones too; at least one has demonstrations.
        first: The first demonstration, None if none could be read.
    """
    main = next(t for t in tasks if t.demos)
    count = sum(len(t.demos) for t in tasks)
    files = "1 file" if len(tasks) == 1 else f"{len(tasks)} files"
    lines = [f"{count} demonstrations in {files}"]
    if first is not None:
        shown = first.demonstration
        lines += [f"{c.key}, {c.width} x {c.height}" for c in shown.cameras]
        lines += [f"{name}: {why}" for name, used, why in first.stored.depth_notes if used]
        signals = dict.fromkeys(n.split(".")[0] for n in shown.state_names)
        if signals:
            lines.append(f"state: {', '.join(signals)}")
        if shown.action_names:
            lines.append(f"actions of {len(shown.action_names)} channels")
    lines += dict.fromkeys(t.orientation for t in tasks if t.orientation)
    if main.fps_said:
        lines.append(f"{main.fps:g} Hz, control_freq of env_args")
    else:
        lines.append(f"{main.fps:g} Hz, as robosuite does; the file does not say")
    if main.instruction_from:
        lines.append(f"instruction from {main.instruction_from}")
    lines += [f"filter key {name}: {size} demonstrations" for name, size in main.filters]
    return tuple(lines)


def ignored_in(
    tasks: Sequence[TaskFile], foreign: Sequence[str], first: ReadDemo | None
) -> tuple[str, ...]:
    """What was found and is not used, with why, a phrase each.

    Args:
        tasks: The files.
        foreign: Names of HDF5 files without demonstrations.
        first: The first demonstration, None if none could be read.
    """
    reasons: dict[str, list[str]] = {}
    if first is not None:
        unused = [(name, why) for name, used, why in first.stored.depth_notes if not used]
        for name, why in (*first.demo.layout.unused, *unused):
            reasons.setdefault(why, []).append(name)
    lines = [f"{', '.join(names)}: {why}" for why, names in reasons.items()]
    if any(d.simulated for t in tasks for d in t.demos):
        lines.append("states, rewards, dones, next_obs: the simulator's, no stage needs them")
    lines += [f"{name}: HDF5 without demonstrations" for name in foreign]
    return tuple(lines)


def problems_of(tasks: Sequence[TaskFile]) -> tuple[Problem, ...]:
    """What is doubtful about the dataset as a whole."""
    problems = [t.problem for t in tasks if t.problem is not None]
    if not any(d.layout.cameras for t in tasks for d in t.demos):
        text = (
            "no demonstration has pictures; only signals can be shown. robomimic's "
            "dataset_states_to_obs.py renders them"
        )
        problems.append(Problem("no_pictures", text))
    if len({t.fps for t in tasks if t.demos}) > 1:
        text = "the files differ in their rate; each demonstration has its own"
        problems.append(Problem("rates_differ", text, Severity.INFO))
    named = [
        t
        for t in tasks
        if t.instruction and not t.instruction_said and not all(d.instruction for d in t.demos)
    ]
    if named:
        text = (
            f"no instruction in the file; “{named[0].instruction}” comes from "
            f"{named[0].instruction_from}"
        )
        if len(named) > 1:
            text += f", and so on for {len(named)} files"
        problems.append(Problem("instruction_from_name", text, Severity.INFO))
    return tuple(problems)
