"""What to send back: report.json for programs, report.md for people."""

from pathlib import Path
from typing import Any

from aib.files import write_atomically, write_json


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write both, after each check, so that a machine that goes down leaves what was found."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", content)
    text = "\n".join([*_head(content), *_outcomes(content), *_speeds(content)]) + "\n"
    write_atomically(folder / "report.md", lambda temporary: temporary.write_text(text))


def _head(content: dict[str, Any]) -> list[str]:
    device = content["checks"].get("device", {}).get("figures", {})
    lines = [f"# gpu-check: {device.get('name', content['device'])}", ""]
    if content["device"] == "cpu":
        lines += ["On a CPU, at small sizes, which say nothing about speed.", ""]
    lines.append(f"{content['date']}, {content['seconds']:.0f} s in all")
    for name in ("driver", "cuda", "cudnn", "capability", "memory_bytes"):
        if device.get(name) is not None:
            lines.append(f"- {name.replace('_', ' ')}: {device[name]}")
    around = device.get("environment", {})
    lines += [f"- {name}: {around[name]}" for name in ("python", "platform", "processor", "cores")
              if name in around]  # fmt: skip
    lines += [f"- {name} {version}" for name, version in around.get("libraries", {}).items()]
    git = device.get("git", {})
    return [*lines, f"- commit {git.get('commit')}{' and changes' * bool(git.get('dirty'))}", ""]


def _outcomes(content: dict[str, Any]) -> list[str]:
    rows = [f"| {name} | {each['state']} | {each['seconds']:.0f} | {each['words']} |"
            for name, each in content["checks"].items()]  # fmt: skip
    return ["| check | outcome | seconds | found |", "|---|---|---|---|", *rows, ""]


def _speeds(content: dict[str, Any]) -> list[str]:
    rows = content["checks"].get("families", {}).get("figures", {}).get("rows", [])
    if not rows:
        return []
    lines = [f"| {row['model']} | {row['precision']} | {row['batch']} | "
             f"{row['images_per_second']:,.0f} | {row['share']:.1%} |" for row in rows]  # fmt: skip
    head = "| model | precision | batch | images/s | of the matrix rate |"
    return [head, "|---|---|---|---|---|", *lines, ""]
