"""api_coverage.py: which AWS operations gantry offers, and the test that drives each.

    api_coverage.py            rewrites docs/api-coverage.md (make docs)
    api_coverage.py --check    says what is wrong with it, and exits with 1: the file is not
                               what would be written, or an offered operation has no test

What is offered is read from api/<service>/operations.json and not-offered.json. What is
tested is read from the source of tests/api: a test drives an operation when its code names
the operation's boto3 method (`ecs.run_task`, `get_paginator("list_tasks")`,
`get_waiter("tasks_running")`) on a client of the service, itself or in the functions,
fixtures and classes that it names. Text and comments count for nothing, and neither does a
test that is always skipped or expected to fail. Of several tests the table names the first
one of the file that is most about the operation: whose opening text names it, and of others
the one with the largest share of tests that drive it. What is only done through a shared
helper is found in the second place.
"""
import ast
import json
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "api"))
from names import snake  # noqa: E402

PAGE = TOP / "docs" / "api-coverage.md"
TESTS = TOP / "tests" / "api"
HEAD = """# Which operations of AWS are offered

Made by `make docs` from the tables in [api/](../api/) and the tests in
[tests/api](../tests/api/); not edited by hand. `reads` and `changes` say what an operation
does to the server's state. An operation that is not offered is refused with an error that
says so. Every offered operation has a test that drives it with boto3; the table names one.

"""


class Service:
    """One service's operations: what AWS has, what is offered, which method and waiter mean
    which operation."""

    def __init__(self, folder):
        self.name = folder.name
        self.rows = {name: row for name, row in load(folder / "operations.json").items()
                     if row["kind"] != "absent"}
        models = list(folder.glob("*/service-2.json"))
        self.version = models[0].parent.name
        self.title = load(models[0])["metadata"]["serviceId"]
        self.names = sorted(set(self.rows) | set(load(folder / "not-offered.json")))
        self.methods = {snake(name): name for name in self.names}
        waiters = models[0].parent / "waiters-2.json"
        self.waiters = {snake(name): row["operation"] for name, row in
                        load(waiters)["waiters"].items()} if waiters.exists() else {}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def services():
    return [Service(p.parent) for p in sorted((TOP / "api").glob("*/operations.json"))]


class Code:
    """What one function, fixture, test or class does itself."""

    def __init__(self, module, node, known):
        self.module, self.node, self.name = module, node, node.name
        self.operations = set()     # (service, operation)
        self.names = set()          # what it calls or is given
        self.clients = {}           # variable: service
        self.known = known
        for part in ast.walk(node):
            self.note_client(part)
        for part in ast.walk(node):
            self.look(part)

    def note_client(self, part):
        """x = server.client("ecs", …): calls on x are the service's."""
        if isinstance(part, ast.Assign) and len(part.targets) == 1:
            service = client_of(part.value, self.known)
            if service and isinstance(part.targets[0], (ast.Name, ast.Attribute)):
                self.clients[tail(part.targets[0])] = service

    def look(self, part):
        if isinstance(part, ast.Attribute):
            self.add(part.attr, part.value, lambda s: s.methods)
        elif isinstance(part, ast.Name):
            self.names.add(part.id)
        elif isinstance(part, ast.arg):
            self.names.add(part.arg)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.args:
            word = part.args[0].value if isinstance(part.args[0], ast.Constant) else None
            if part.func.attr == "get_paginator":
                self.add(word, part.func.value, lambda s: s.methods)
            elif part.func.attr == "get_waiter":
                self.add(word, part.func.value, lambda s: s.waiters)

    def add(self, word, receiver, table):
        meant = [s for s in self.known.values() if word in table(s)]
        if len(meant) > 1:  # TagResource is ECS's as well as ECR's: whose client is it?
            whose = (client_of(receiver, self.known) or
                     self.clients.get(tail(receiver), tail(receiver)))
            meant = [s for s in meant if s.name == whose]
        self.operations |= {(s.name, table(s)[word]) for s in meant}


def tail(node):
    """The last word of a.b.c, or None."""
    return getattr(node, "id", getattr(node, "attr", None))


def client_of(node, known):
    """The service of an expression like server.client("ecs", …)."""
    if isinstance(node, ast.Call) and tail(node.func) == "client":
        for arg in node.args:
            if isinstance(arg, ast.Constant) and arg.value in known:
                return arg.value
    return None


class Module:
    def __init__(self, path, text, known):
        tree = ast.parse(text, str(path))
        self.name = path.name
        self.about = set(re.findall(r"\w+", ast.get_docstring(tree) or ""))
        self.imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)
                         for a in n.names}
        self.code = {n.name: Code(self, n, known) for n in tree.body
                     if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        self.tests = [c for name, c in self.code.items()
                      if name.startswith("test") and not given_up(c.node)]


def given_up(node):
    marks = {tail(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}
    return bool(marks & {"skip", "xfail"})


class Helpers(dict):
    """What test files share, by name. Fixtures of conftest.py need no import."""

    def __init__(self, modules):
        super().__init__()
        self.fixtures = set()
        for module in modules:
            self.update(module.code)
            if module.name == "conftest.py":
                self.fixtures |= set(module.code)

    def meant(self, name, code, test):
        """What `name` in `code` is, when it is of the test's own file or shared."""
        visible = name in self.fixtures or name in test.module.imported or \
            code.module is not test.module
        return code.module.code.get(name) or (self.get(name) if visible else None)


def reached(test, helpers):
    """{operation: 0 in the test itself, 1 in its file's code, 2 in what files share}."""
    found = {op: 0 for op in test.operations}
    seen, todo = {test}, [(test, 0)]
    while todo:
        code, way = todo.pop(0)
        for name in sorted(code.names):
            step = helpers.meant(name, code, test)
            if not step or step in seen:
                continue
            seen.add(step)
            far = max(way, 1 if step.module is test.module else 2)
            for op in step.operations:
                found[op] = min(far, found.get(op, far))
            todo.append((step, far))
    return found


def tests_of(sources, known):
    """{(service, operation): (file, test)}; sources is {path: text}.

    >>> from types import SimpleNamespace as S
    >>> known = {s.name: s for s in (
    ...     S(name="ecs", methods={"run_task": "RunTask", "tag": "Tag"},
    ...       waiters={"tasks_running": "DescribeTasks"}),
    ...     S(name="ecr", methods={"tag": "Tag", "list_images": "ListImages"}, waiters={}))}
    >>> def of(text, **helpers):
    ...     sources = {"test_x.py": text, **{n + ".py": h for n, h in helpers.items()}}
    ...     found = tests_of({pathlib.Path(p): s for p, s in sources.items()}, known)
    ...     return sorted((*op, test) for op, (_, test) in found.items())

    Calls, paginators and waiters count; text, comments and tests given up do not:
    >>> of("def test_a(ecs):\\n ecs.run_task()\\n ecs.get_waiter('tasks_running').wait()")
    [('ecs', 'DescribeTasks', 'test_a'), ('ecs', 'RunTask', 'test_a')]
    >>> of("def test_a(ecr): ecr.get_paginator('list_images')")
    [('ecr', 'ListImages', 'test_a')]
    >>> of("def test_a(ecs): 'ecs.run_task()'  # ecs.run_task()")
    []
    >>> of("@pytest.mark.skip(reason='no')\\ndef test_a(ecs): ecs.run_task()")
    []

    What a test calls and what it is given count too, what nobody uses does not:
    >>> of("def go(ecs): ecs.run_task()\\ndef test_a(ecs): go(ecs)\\ndef test_b(): pass")
    [('ecs', 'RunTask', 'test_a')]
    >>> of("def test_b(host): pass", conftest="def host(ecs): ecs.run_task()")
    [('ecs', 'RunTask', 'test_b')]
    >>> of("def go(ecs): ecs.run_task()\\ndef test_a(): pass")
    []

    An operation that two services have is the one's whose client it is:
    >>> of("def test_a(server):\\n c = server.client('ecr')\\n c.tag()")
    [('ecr', 'Tag', 'test_a')]
    >>> of("def test_a(ecs): ecs.tag()"), of("def test_a(who): who.tag()")
    ([('ecs', 'Tag', 'test_a')], [])
    """
    modules = [Module(path, text, known) for path, text in sorted(sources.items())]
    helpers = Helpers([m for m in modules if not m.name.startswith("test_")])
    best = {}
    for module in modules:
        if not module.name.startswith("test_") or not module.tests:
            continue
        found = [(test, reached(test, helpers)) for test in module.tests]
        for op in {op for _, ops in found for op in ops}:
            near = [(ops[op], test) for test, ops in found if op in ops]
            far = min(way for way, _ in near)
            direct = sum(1 for way, _ in near if way < 2)
            share = (direct or len(near)) / len(module.tests)
            test = min((way, t.node.lineno, t.name) for way, t in near)[2]
            rank = (far == 2, op[1] not in module.about, -share, module.name)
            if op not in best or rank < best[op][0]:
                best[op] = (rank, module.name, test)
    return {op: (file, test) for op, (_, file, test) in best.items()}


def page(all_services, tests):
    out = [HEAD, "| service | API version | operations | offered |\n| --- | --- | --- | --- |\n"]
    for s in all_services:
        out.append(f"| [{s.title}](#{s.title.lower()}) | {s.version} | {len(s.names)} | "
                   f"{len(s.rows)} |\n")
    for s in all_services:
        out.append(f"\n## {s.title}\n\n| operation | offered | kind | test |\n"
                   "| --- | --- | --- | --- |\n")
        out += [row(s, name, tests.get((s.name, name))) for name in s.names]
    return "".join(out)


def row(service, name, test):
    if name not in service.rows:
        return f"| {name} | no | | |\n"
    link = f"[{test[0]}](../tests/api/{test[0]}) `{test[1]}`" if test else "none"
    return f"| {name} | yes | {service.rows[name]['kind']} | {link} |\n"


def main():
    every = services()
    tests = tests_of({p: p.read_text(encoding="utf-8") for p in TESTS.glob("*.py")},
                     {s.name: s for s in every})
    text = page(every, tests)
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    wrong = [f"{s.name}: {name} is offered, and no test in tests/api drives it"
             for s in every for name in s.rows if (s.name, name) not in tests]
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        wrong.append(f"{PAGE.relative_to(TOP)} is not what it would be now: make docs")
    print("\n".join(wrong) or f"{sum(len(s.rows) for s in every)} operations offered, each "
          "with a test")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
