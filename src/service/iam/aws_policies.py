#!/usr/bin/env python3
"""Turns aws_policies.json into the table aws_policies[] of iam_policy.h, sorted by ARN.

The names, versions and what the policies allow are AWS's; the documents, descriptions and
statement ids are ours."""
import json
import sys


def quoted(text):
    """A C string in lines of a readable length."""
    lines = [text[i:i + 80] for i in range(0, len(text), 80)]
    return '\n        '.join(json.dumps(line) for line in lines)


def row(policy):
    document = json.dumps(policy['document'], separators=(',', ':'))
    texts = [policy[k] for k in ('name', 'path', 'version', 'description')] + [document]
    return '    {' + ',\n        '.join(quoted(t) for t in texts) + '},\n'


def main():
    source, target = sys.argv[1:]
    with open(source, encoding='ascii') as f:
        policies = json.load(f)
    policies.sort(key=lambda p: p['path'] + p['name'])
    with open(target, 'w', encoding='ascii') as f:
        f.write('/* Made of aws_policies.json. */\n#include "iam_policy.h"\n\n'
                'const struct aws_policy aws_policies[] = {\n')
        f.writelines(row(p) for p in policies)
        f.write('};\nconst size_t aws_policy_count ='
                ' sizeof(aws_policies) / sizeof(*aws_policies);\n')


if __name__ == '__main__':
    main()
