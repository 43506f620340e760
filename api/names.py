"""How names of a service's model become names in C."""
import re

# C's keywords, and words that gnu11 or system headers turn into something else.
RESERVED = set('''auto break case char const continue default do double else enum extern
float for goto if inline int long register restrict return short signed sizeof static
struct switch typedef union unsigned void volatile while bool true false linux unix errno
stdin stdout stderr assert major minor makedev asm typeof NULL'''.split())

# Words whose capitals or digits mislead the general rule.
WHOLE = [('IPv4', 'Ipv4'), ('IPv6', 'Ipv6'), ('DynamoDB', 'Dynamodb'), ('vCPU', 'Vcpu'),
         ('vCpu', 'Vcpu'), ('IOps', 'Iops'), ('GiB', 'Gib'), ('MiB', 'Mib')]


def snake(name):
    """containerInstanceArn -> container_instance_arn, runningEC2TasksCount ->
    running_ec2_tasks_count, publicIPv4Address -> public_ipv4_address."""
    for old, new in WHOLE:
        name = name.replace(old, new)
    # A plural of capitals is one word: ARNs, IDs, ENIs.
    name = re.sub(r'([A-Z]{2,})s(?=[A-Z_]|$)',
                  lambda m: m.group(1).capitalize() + 's', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').lower()
    return name or 'empty'


def member(name):
    c = snake(name)
    if c in RESERVED or c[0].isdigit():
        return c + '_' if c in RESERVED else 'n' + c
    return c


def constant(value):
    """The tail of an enum's constant: EC2, t2.micro -> T2_MICRO."""
    if value.upper() == value:
        return re.sub(r'[^A-Z0-9]+', '_', value).strip('_') or 'EMPTY'
    return snake(value).upper()


def unique(names, convert):
    """{name: C name}, all different: a later one in order of the alphabet gets a number."""
    out, taken = {}, set()
    for name in sorted(names):
        c, n = convert(name), 2
        while c in taken:
            c, n = f'{convert(name)}_{n}', n + 1
        taken.add(c)
        out[name] = c
    return out


def quote(text):
    if text is None:
        return 'NULL'
    body = ''
    for b in text.encode('utf-8'):
        ch = chr(b)
        if ch in '"\\':
            body += '\\' + ch
        elif ch == '?':
            body += '\\?'
        elif 32 <= b < 127:
            body += ch
        else:
            body += f'\\{b:03o}'
    return f'"{body}"'
