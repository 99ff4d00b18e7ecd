"""Whether two files have the same objects, in whatever order: same.py ONE OTHER"""

import sys

from manifests import name_of, read


def main(one, other):
    first, second = ({name_of(o): o for o in read(path)} for path in (one, other))
    differ = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    print("".join(f"{name} differs\n" for name in differ), end="")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
