"""check_includes.py: holds every #include of src/ against tools/include-direction.txt.

Also: header names are unique in the tree, as includes are flat, and every folder of src/
has a row. Prints a table of who includes whom, then the violations.
"""
import collections
import pathlib
import re
import sys

TABLE = "tools/include-direction.txt"
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def read_table():
    allowed, forbidden = {}, {}
    for line in open(TABLE, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            name, _, rest = line.partition(":")
            if name.startswith("!"):
                forbidden[name[1:]] = set(rest.split())
            else:
                allowed[name] = rest.split()
    return allowed, forbidden


def row_of(folder, allowed):
    """service/foo without a row of its own has the one of service/*."""
    return folder if folder in allowed else folder.split("/")[0] + "/*"


def expand(name, allowed, seen=()):
    """Names that `name` may include; "@x" is x and all that x may include."""
    names = set()
    for word in allowed.get(name, []):
        if not word.startswith("@"):
            names.add(word)
        elif word in seen:
            sys.exit(f"{TABLE}: {name}: {word} goes in a circle")
        else:
            names |= {word[1:]} | expand(word[1:], allowed, seen + (word,))
    return names


def permits(names, target):
    return "*" in names or target in names or target.split("/")[0] + "/*" in names


def folder_of(path):
    parts = path.relative_to("src").parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def main():
    allowed, forbidden = read_table()
    sources = sorted(p for p in pathlib.Path("src").rglob("*.[ch]"))
    owners = collections.defaultdict(list)
    for path in sources:
        if path.suffix == ".h":
            owners[path.name].append(path)

    problems = [f"{name}: the same header name in {', '.join(map(str, paths))}"
                for name, paths in sorted(owners.items()) if len(paths) > 1]
    edges = collections.defaultdict(collections.Counter)
    for path in sources:
        folder = folder_of(path)
        row = row_of(folder, allowed)
        if row not in allowed:
            problems.append(f"{path}: {TABLE} has no row for {folder}")
            continue
        names = expand(row, allowed)
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in INCLUDE.finditer(text):
            header = match.group(2)
            where = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}"
            if match.group(1) == "<":
                if header in forbidden.get(folder.split("/")[0], ()):
                    problems.append(f"{where}: {folder} does without <{header}>")
                continue
            found = owners.get(pathlib.PurePath(header).name)
            if not found:
                continue  # generated at build time
            # Of two with the same name, which is wrong already, the nearest is meant.
            folders = [folder_of(p) for p in found]
            target = folder if folder in folders else folders[0]
            if target != folder:
                edges[folder][target] += 1
                if not permits(names, target):
                    problems.append(f"{where}: {folder} may not include {target} ({header})")

    print(f"{'folder':<22}includes (how often)")
    for folder in sorted({folder_of(p) for p in sources}):
        row = "  ".join(f"{t} {n}" for t, n in sorted(edges[folder].items()))
        print(f"{folder:<22}{row or '-'}")
    for problem in problems:
        print("WRONG", problem)
    if problems:
        print(f"{len(problems)} includes against the direction")
        return 1
    print(f"{len(sources)} files, every include in the right direction")
    return 0


if __name__ == "__main__":
    sys.exit(main())
