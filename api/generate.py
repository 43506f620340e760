#!/usr/bin/env python3
"""Turns a service's contract into C. Run by meson; standard library only.

    generate.py api      PREFIX service-2.json OUT.h OUT.c [--reference PREFIX=MODEL …]
    generate.py handlers PREFIX service-2.json OUT.h OUT.c

`api` writes the structs and descriptors (see src/wire/wire.h for how shapes look in C);
`handlers` writes the prototypes of the operations and the table that the core runs, from
operations.json beside the model's folder. An operation without a handler fails the link.
A shape reference "ecs#Task" names a shape of another model, given with --reference.
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from model import Model, quote                                      # noqa: E402
from names import constant, snake, unique                           # noqa: E402
from pattern import compile_pattern                                 # noqa: E402

NOTE = '/* Made by api/generate.py from the service\'s contract: change that instead. */\n'
TIME = {'unixTimestamp': 'WIRE_TIME_UNIX', 'iso8601': 'WIRE_TIME_ISO8601',
        'rfc822': 'WIRE_TIME_RFC822'}
PLACE = {'uri': 'WIRE_IN_URI', 'querystring': 'WIRE_IN_QUERY', 'header': 'WIRE_IN_HEADER',
         'headers': 'WIRE_IN_HEADERS', 'statusCode': 'WIRE_IN_STATUS'}
PROTOCOLS = {'query': 'WIRE_QUERY', 'ec2': 'WIRE_EC2', 'rest-json': 'WIRE_REST_JSON',
             'rest-xml': 'WIRE_REST_XML', 'smithy-rpc-v2-cbor': 'WIRE_CBOR'}
WORDS = {'ecr': 'WIRE_WORDS_ECR'}  # services that word a bad value in their own way
MAX_MEMBERS = 512  # decoders keep one bit for each


def fields(**values):
    """Designated initialisers of what is not zero."""
    return ', '.join(f'.{k} = {v}' for k, v in values.items()
                     if v not in (None, False, 0, '0', 'NULL'))


def boolean(value):
    return 'true' if value else None


def enum_constants(shape):
    upper = shape.tag.upper()
    names = unique(shape.data['enum'], constant)
    taken = {'UNSET', 'COUNT'}
    return [(v, f'{upper}_{names[v]}' + ('_' if names[v] in taken else ''))
            for v in shape.data['enum']]


# ---- the header ----

def header_enums(m):
    for s in m.of_kind('enum'):
        yield f'enum {s.tag} {{\n    {s.tag.upper()}_UNSET,\n'
        for _, name in enum_constants(s):
            yield f'    {name},\n'
        yield '};\n'


def header_containers(m):
    for tag, kind, value in m.own_containers():
        if kind == 'list':
            item = value.element_type()
        else:
            item = f'struct {tag}_entry'
            yield f'{item};\n'
        star = '' if item.endswith('*') else ' '
        yield f'struct {tag} {{\n    {item}{star}*v;\n    size_t n;\n    bool set;\n}};\n'


def header_structs(m):
    for s in m.of_kind('structure'):
        yield f'struct {s.tag} {{\n'
        members = m.members(s)
        for _, c, _, shape in members:
            kind = shape.member_type()
            yield f'    {kind}{"" if kind.endswith("*") else " "}{c};\n'
        yield '};\n' if members else '    char empty_;\n};\n'


def header_entries(m):
    for tag, kind, value in m.own_containers():
        if kind == 'map':
            item = value.element_type()
            star = '' if item.endswith('*') else ' '
            yield (f'struct {tag}_entry {{\n    const char *key;\n'
                   f'    {item}{star}value;\n}};\n')


def header_externs(m):
    for s in m.of_kind('structure', 'list', 'map', 'enum'):
        yield f'extern const struct wire_shape {s.symbol};\n'
    for s in m.exceptions():
        yield f'extern const struct wire_fault {s.tag};\n'
    yield f'extern const struct wire_service {m.prefix}_service_api;\n'
    if not m.operations:
        return
    p, u = m.prefix, m.prefix.upper()
    yield f'\nenum {p}_operation_index {{\n'
    for name in m.operations:
        yield f'    {u}_OP_{snake(name).upper()},\n'
    yield f'    {u}_OP_COUNT,\n}};\n'
    yield f'extern const struct wire_operation {p}_operation_table[];\n'
    for name in m.operations:
        c = snake(name)
        yield f'#define {p}_operation_{c} ({p}_operation_table[{u}_OP_{c.upper()}])\n'


def write_header(m, references):
    yield NOTE + '#pragma once\n\n#include "wire.h"\n'
    for r in references:
        yield f'#include "{r.prefix}_api.h"\n'
    yield '\n'
    yield from header_enums(m)
    for s in m.of_kind('structure'):
        yield f'struct {s.tag};\n'
    for part in (header_containers, header_structs, header_entries, header_externs):
        yield '\n'
        yield from part(m)


# ---- the descriptors ----

def member_flags(m, shape, name, ref, target, relaxed):
    flags = []
    if name in shape.data.get('required', []) and name not in relaxed:
        flags.append('WIRE_REQUIRED')
    scalar = target.kind in ('boolean', 'integer', 'long', 'float', 'double')
    if scalar and m.tells_boxes and not (ref.get('box') or target.data.get('box')):
        flags.append('WIRE_UNBOXED')
    if ref.get('flattened') or target.data.get('flattened'):
        flags.append('WIRE_FLATTENED')
    if ref.get('xmlAttribute'):
        flags.append('WIRE_XML_ATTRIBUTE')
    if ref.get('sensitive') or target.data.get('sensitive'):
        flags.append('WIRE_SENSITIVE')
    if ref.get('idempotencyToken'):
        flags.append('WIRE_TOKEN')
    return ' | '.join(flags)


def ec2_name(name, ref):
    if 'queryName' in ref:
        return ref['queryName']
    wire = ref.get('locationName')
    return wire[:1].upper() + wire[1:] if wire else name


def member_row(m, shape, row, relaxed):
    name, c, ref, target = row
    place = 'WIRE_IN_PAYLOAD' if shape.data.get('payload') == name else \
        PLACE.get(ref.get('location'))
    return '    {' + fields(
        name=quote(name), wire_name=quote(ref.get('locationName', name)),
        ec2_name=quote(ec2_name(name, ref)) if m.metadata.get('protocol') == 'ec2' else None,
        shape='&' + target.symbol, offset=f'offsetof(struct {shape.tag}, {c})',
        flags=member_flags(m, shape, name, ref, target, relaxed) or None, location=place,
        timestamp=TIME.get(ref.get('timestampFormat'))) + '},\n'


def number(value):
    return None if value is None else repr(float(value))


def program(shape):
    pattern = shape.data.get('pattern') if shape.kind == 'string' else None
    return compile_pattern(pattern) if pattern else None


def matcher(shape):
    code = program(shape)
    if code:
        yield f'static const uint32_t {shape.tag}_code[] = {{\n'
        for i in range(0, len(code), 12):
            yield '    ' + ', '.join(str(word) for word in code[i:i + 12]) + ',\n'
        yield '};\n'
        yield (f'static const struct wire_pattern {shape.tag}_pattern = '
               f'{{{shape.tag}_code}};\n')


def shape_fields(m, shape, extra):
    d = shape.data
    return fields(
        name=quote(shape.name), type=shape.wire_type,
        timestamp=TIME.get(d.get('timestampFormat')), flattened=boolean(d.get('flattened')),
        has_min=boolean('min' in d), has_max=boolean('max' in d),
        is_union=boolean(d.get('union')), is_error=boolean(d.get('exception')),
        min=number(d.get('min')), max=number(d.get('max')),
        size=f'sizeof({shape.element_type()})', pattern=quote(d.get('pattern')),
        matcher=f'&{shape.tag}_pattern' if program(shape) else None,
        xml_name=quote(d.get('locationName')),
        xml_namespace=quote(d.get('xmlNamespace', {}).get('uri')), **extra)


def structure(m, shape, relaxed, roots):
    members = m.members(shape)
    if len(members) > MAX_MEMBERS:
        sys.exit(f'{shape.name}: more than {MAX_MEMBERS} members')
    if members:
        yield f'static const struct wire_member {shape.tag}_members[] = {{\n'
        for row in members:
            yield member_row(m, shape, row, relaxed.get(shape.name, ()))
        yield '};\n'
    root = roots.get(shape.name, {})
    extra = dict(members=f'{shape.tag}_members' if members else None,
                 member_count=len(members), payload=quote(shape.data.get('payload')))
    text = shape_fields(m, shape, extra)
    if 'locationName' in root and 'locationName' not in shape.data:
        text += f', .xml_name = {quote(root["locationName"])}'
    if 'xmlNamespace' in root and 'xmlNamespace' not in shape.data:
        text += f', .xml_namespace = {quote(root["xmlNamespace"]["uri"])}'
    yield f'const struct wire_shape {shape.symbol} = {{{text}}};\n'


def enumeration(m, shape):
    yield f'static const char *const {shape.tag}_names[] = {{\n    NULL,\n'
    for value, _ in enum_constants(shape):
        yield f'    {quote(value)},\n'
    yield '    NULL,\n};\n'
    text = shape_fields(m, shape, dict(enum_names=f'{shape.tag}_names',
                                       enum_count=len(shape.data['enum'])))
    yield f'const struct wire_shape {shape.symbol} = {{{text}}};\n'


def container(m, shape):
    is_list = shape.kind == 'list'
    value = shape.ref('member' if is_list else 'value')
    reference = shape.data['member' if is_list else 'value']
    extra = dict(element='&' + value.symbol, element_name=quote(reference.get('locationName')))
    if is_list:
        extra['entry_size'] = f'sizeof({value.element_type()})'
    else:
        tag = shape.container()[0]
        entry = 'string_entry' if tag == 'string_map' else f'{tag}_entry'
        extra.update(key='&' + shape.ref('key').symbol,
                     key_name=quote(shape.data['key'].get('locationName')),
                     entry_size=f'sizeof(struct {entry})',
                     entry_value_offset=f'offsetof(struct {entry}, value)')
    yield f'const struct wire_shape {shape.symbol} = {{{shape_fields(m, shape, extra)}}};\n'


def faults(m):
    for s in m.exceptions():
        error = s.data.get('error', {})
        fault = s.data.get('fault', False)
        status = error.get('httpStatusCode', 500 if fault else 400)
        sender = error.get('senderFault', not fault)
        text = fields(code=quote(error.get('code', s.name)), status=status,
                      sender=boolean(sender), shape='&' + s.symbol)
        yield f'const struct wire_fault {s.tag} = {{{text}}};\n'


def operations(m):
    yield f'const struct wire_operation {m.prefix}_operation_table[] = {{\n'
    for name, op in m.operations.items():
        text = fields(
            name=quote(name), method=quote(op['http']['method']),
            uri=quote(op['http']['requestUri']), status=op['http'].get('responseCode', 200),
            input='&' + m.find(op['input']['shape']).symbol if 'input' in op else None,
            output='&' + m.find(op['output']['shape']).symbol if 'output' in op else None,
            output_wrapper=quote(op.get('output', {}).get('resultWrapper')),
            service=f'&{m.prefix}_service_api')
        yield f'    [{m.prefix.upper()}_OP_{snake(name).upper()}] = {{{text}, ' \
              f'.index = {m.prefix.upper()}_OP_{snake(name).upper()}}},\n'
    yield '};\n'


def protocol(meta):
    """The protocol to answer in by default, and which others the service understands."""
    offered = meta.get('protocols') or [meta.get('protocol', 'json')]
    main = 'json' if 'json' in offered else meta.get('protocol', 'json')
    json_kind = 'WIRE_JSON_1_0' if meta.get('jsonVersion') == '1.0' else 'WIRE_JSON_1_1'
    return PROTOCOLS.get(main, json_kind), offered


def service(m):
    meta = m.metadata
    names = {s.name for s in m.exceptions()}
    validation = next((n for n in ('ValidationException', 'InvalidParameterException')
                       if n in names), None)
    unavailable = next((n for n in ('ServiceUnavailableException', 'ServerException')
                        if n in names), None)
    if m.not_offered:
        yield f'static const char *const {m.prefix}_not_offered[] = {{\n'
        for name in m.not_offered:
            yield f'    {quote(name)},\n'
        yield '    NULL,\n};\n'
    main, offered = protocol(meta)
    text = fields(
        prefix=quote(m.prefix), signing_name=quote(meta.get('signingName') or
                                                   meta['endpointPrefix']),
        api_version=quote(meta['apiVersion']), target_prefix=quote(meta.get('targetPrefix')),
        xml_namespace=quote(meta.get('xmlNamespace')), protocol=main,
        speaks_cbor=boolean('smithy-rpc-v2-cbor' in offered),
        speaks_query=boolean('query' in offered),
        query_compatible=boolean('awsQueryCompatible' in meta),
        operations=f'{m.prefix}_operation_table' if m.operations else None,
        operation_count=len(m.operations),
        not_offered=f'{m.prefix}_not_offered' if m.not_offered else None,
        validation=f'&{m.shapes[validation].tag}' if validation else None,
        unavailable=f'&{m.shapes[unavailable].tag}' if unavailable else None,
        words=WORDS.get(m.prefix))
    yield f'const struct wire_service {m.prefix}_service_api = {{{text}}};\n'


def relaxed_members(m):
    """Required members whose absence the handler words itself ("handlerChecks")."""
    return {m.operations[name]['input']['shape']: row.get('handlerChecks', [])
            for name, row in m.table.items() if name in m.operations
            and 'input' in m.operations[name]}


def write_source(m):
    yield NOTE + f'#include "{m.prefix}_api.h"\n\n'
    plain = [s for s in m.of_kind(*[k for k in {s.kind for s in m.shapes.values()}
                                    if k not in ('structure', 'list', 'map', 'enum')])]
    used = {ref['shape'] for s in m.shapes.values()
            for ref in [*s.data.get('members', {}).values(),
                        *[s.data[k] for k in ('member', 'key', 'value') if k in s.data]]}
    for s in [s for s in plain if s.name in used]:
        yield from matcher(s)
        yield f'static const struct wire_shape {s.symbol} = {{{shape_fields(m, s, {})}}};\n'
    relaxed = relaxed_members(m)
    roots = {op['input']['shape']: op['input'] for op in m.operations.values()
             if 'input' in op}
    for s in m.of_kind('enum'):
        yield from enumeration(m, s)
    for s in m.of_kind('list', 'map'):
        yield from container(m, s)
    for s in m.of_kind('structure'):
        yield from structure(m, s, relaxed, roots)
    yield from faults(m)
    if m.operations:
        yield from operations(m)
    yield from service(m)


# ---- handlers ----

def handler_types(m, op):
    def kind(key, const):
        if key not in op:
            return f'{const}void *'
        return f'{const}struct {m.find(op[key]["shape"]).tag} *'
    return kind('input', 'const '), kind('output', '')


def write_handlers_header(m):
    yield NOTE + '#pragma once\n\n#include "operation.h"\n'
    yield f'#include "{m.prefix}_api.h"\n\nstruct call;\n\n'
    for name, op in m.operations.items():
        given, out = handler_types(m, op)
        yield f'int {m.prefix}_{snake(name)}(struct call *call, {given}in, {out}out);\n'
    yield f'\n/* Indexed by enum {m.prefix}_operation_index. */\n'
    yield f'extern const struct operation {m.prefix}_operations[{m.prefix.upper()}_OP_COUNT];\n'


def name_list(symbol, values):
    yield f'static const char *const {symbol}[] = {{'
    yield ''.join(f'{quote(v)}, ' for v in values) + 'NULL};\n'


def write_handlers_source(m):
    missing = sorted(set(m.operations) ^ set(m.table))
    if missing:
        sys.exit(f'{m.prefix}: operations.json and the model differ in {missing}')
    yield NOTE + f'#include "{m.prefix}_handlers.h"\n\n'
    for name in m.operations:
        c, row = snake(name), m.table[name]
        # The core passes what the descriptors made; the types meet again here.
        yield f'static int run_{c}(struct call *call, const void *in, void *out)\n{{\n'
        yield f'    return {m.prefix}_{c}(call, in, out);\n}}\n'
        yield from name_list(f'{c}_resources', row['resources'])
        yield from name_list(f'{c}_condition_keys', row['conditionKeys'])
    yield f'\nconst struct operation {m.prefix}_operations[{m.prefix.upper()}_OP_COUNT] = {{\n'
    for name in m.operations:
        c, row = snake(name), m.table[name]
        text = fields(wire=f'&{m.prefix}_operation_{c}', run=f'run_{c}',
                      kind=f'OPERATION_{row["kind"].upper()}', action=quote(row['action']),
                      resources=f'{c}_resources', condition_keys=f'{c}_condition_keys',
                      is_open='true' if row.get('signature') == 'none' else 'false')
        yield f'    [{m.prefix.upper()}_OP_{c.upper()}] = {{{text}}},\n'
    yield '};\n'


def main():
    args = argparse.ArgumentParser()
    args.add_argument('mode', choices=['api', 'handlers'])
    args.add_argument('prefix')
    args.add_argument('model')
    args.add_argument('header')
    args.add_argument('source')
    args.add_argument('--reference', action='append', default=[])
    a = args.parse_args()
    references = [Model(*r.split('=', 1)) for r in a.reference]
    m = Model(a.prefix, a.model, references)
    if a.mode == 'api':
        parts = write_header(m, references), write_source(m)
    else:
        parts = write_handlers_header(m), write_handlers_source(m)
    for path, part in zip((a.header, a.source), parts):
        pathlib.Path(path).write_text(''.join(part), encoding='utf-8')


if __name__ == '__main__':
    main()
