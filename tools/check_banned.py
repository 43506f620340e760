"""check_banned.py: calls that must not appear in src/, and descriptors without CLOEXEC.

A line that has to, says so behind it: /* banned: why */.
"""
import pathlib
import re
import sys

BANNED = {
    "strcpy": "struct str or memcpy", "strcat": "struct str", "strncpy": "struct str or memcpy",
    "strncat": "struct str", "stpcpy": "struct str", "sprintf": "snprintf or str_addf",
    "vsprintf": "str_vaddf", "gets": "getline", "strtok": "strcspn", "system": "posix_spawn",
    "popen": "posix_spawn", "atoi": "str_to_i64", "atol": "str_to_i64", "atoll": "str_to_i64",
    "atof": "strtod", "alloca": "an arena", "tmpnam": "mkostemp", "tempnam": "mkostemp",
    "mktemp": "mkostemp", "mkstemp": "mkostemp with O_CLOEXEC", "rand": "injected randomness",
    "srand": "injected randomness", "random": "injected randomness", "ctime": "clock.h",
    "asctime": "clock.h", "localtime": "localtime_r", "gmtime": "gmtime_r",
    "gethostbyname": "getaddrinfo", "usleep": "an event", "signal": "sigaction",
    "vfork": "posix_spawn", "setjmp": "return codes", "longjmp": "return codes",
    "inet_ntoa": "inet_ntop", "inet_addr": "inet_pton", "scanf": "str_to_i64",
    "accept": "accept4", "pipe": "pipe2", "creat": "open", "getwd": "getcwd",
}
# Memory that is not there ends the process (docs/adr/0007), so nothing but base asks for it
# in a way that can fail.
RAW_MEMORY = {"malloc", "calloc", "realloc", "strdup", "strndup", "asprintf", "vasprintf"}
CLOEXEC = {
    "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "open64": "O_CLOEXEC", "accept4": "SOCK_CLOEXEC",
    "socket": "SOCK_CLOEXEC", "socketpair": "SOCK_CLOEXEC", "pipe2": "O_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC", "eventfd": "EFD_CLOEXEC", "signalfd": "SFD_CLOEXEC",
    "timerfd_create": "TFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC", "memfd_create": "MFD_CLOEXEC",
    "mkostemp": "O_CLOEXEC", "fanotify_init": "FAN_CLOEXEC", "open_tree": "OPEN_TREE_CLOEXEC",
    "fsopen": "FSOPEN_CLOEXEC", "fsmount": "FSMOUNT_CLOEXEC",
}
CALL = re.compile(r"(?<![\w.>])([a-z_][a-z0-9_]*)\s*\(")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """The code with comments and string contents blanked, of the same length and lines."""
    def hide(match):
        s = match.group(0)
        keep = s[0] if s[0] in "\"'" else " "
        return keep + re.sub(r"[^\n]", " ", s[1:-1]) + keep if len(s) > 1 else s
    return TOKEN.sub(hide, text)


def arguments(code, start):
    depth = 0
    for end in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return end
    return len(code)


def check(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    code, lines = blank(text), text.split("\n")
    for match in CALL.finditer(code):
        name, line = match.group(1), code.count("\n", 0, match.start())
        end = arguments(code, match.end() - 1)
        if "banned:" in " ".join(lines[line:code.count("\n", 0, end) + 1]):
            continue
        # A declaration or a definition of a like-named static is no call.
        if re.search(r"(int|void|char|\*)\s*$", code[max(0, match.start() - 12):match.start()]):
            continue
        # Ignoring a signal, or not, is what signal() does as everyone expects.
        if name == "signal" and re.search(r"SIG_(IGN|DFL)", code[match.start():end]):
            continue
        if name in BANNED:
            yield line, f"{name}(): use {BANNED[name]}"
        elif name in RAW_MEMORY and "base" not in path.parts:
            yield line, f"{name}(): use x{name}() or an arena"
        elif name in CLOEXEC and CLOEXEC[name] not in code[match.start():end]:
            yield line, f"{name}() without {CLOEXEC[name]}"
        elif name == "fopen" and not re.search(r'"[^"]*e[^"]*"\s*\)?$', text[match.start():end]):
            yield line, "fopen() without mode 'e'"


def main():
    files = sorted(pathlib.Path("src").rglob("*.[ch]"))
    bad = 0
    for path in files:
        for line, message in check(path):
            print(f"{path}:{line + 1}: {message}")
            bad += 1
    if bad:
        print(f"{bad} banned calls")
        return 1
    print(f"{len(files)} files without banned calls or leaking descriptors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
