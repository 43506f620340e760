#!/usr/bin/env python3
"""Cuts a service's contract out of an installed botocore.

    api/import.py --service ecs [--service ecr …]      (without: every folder that has a table)

Reads api/<service>/operations.json (kept by hand: what we offer), takes these operations
and the shapes that they reach, drops all prose, and writes
    api/<service>/<apiVersion>/service-2.json      also good as AWS_DATA_PATH
    api/<service>/<apiVersion>/paginators-1.json, waiters-2.json
    api/<service>/not-offered.json                 names that AWS has and we do not
An api/<service>/additions.json (kept by hand) adds what the service is known to take and
the model leaves out: values of enums, and root elements of XML answers.
The output is sorted, so that a new botocore shows as a readable diff. Run by maintainers;
the build needs only what it wrote.
"""
import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Text written for people stays with its owner, and what only helps SDK generators is noise.
PROSE = {'documentation', 'documentationUrl', 'deprecatedMessage', 'deprecatedSince',
         'examples', 'synthetic', 'endpointdiscovery', 'endpointoperation'}
# A client needs these only where the address depends on what is asked for.
CONTEXT = {'contextParam', 'staticContextParams', 'operationContextParams',
           'clientContextParams'}
WITH_CONTEXT = {'s3'}


def strip(node, drop=frozenset(PROSE | CONTEXT)):
    """A copy without prose. Members may carry any name, so names of members are kept."""
    if isinstance(node, list):
        return [strip(n, drop) for n in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == 'members':
            out[key] = {name: strip(ref, drop) for name, ref in value.items()}
        elif key not in drop:
            out[key] = strip(value, drop)
    return out


def reach(shapes, name, seen):
    if name in seen:
        return
    seen.add(name)
    shape = shapes[name]
    refs = list(shape.get('members', {}).values())
    refs += [shape[k] for k in ('member', 'key', 'value') if k in shape]
    for ref in refs:
        reach(shapes, ref['shape'], seen)


def cut(model, offered, drop):
    operations = {name: strip(model['operations'][name], drop) for name in offered}
    seen = set()
    for op in operations.values():
        for ref in [op.get('input'), op.get('output'), *op.get('errors', [])]:
            if ref:
                reach(model['shapes'], ref['shape'], seen)
    return {'version': model['version'], 'metadata': strip(model['metadata']),
            'operations': operations,
            'shapes': {name: strip(model['shapes'][name], drop) for name in seen}}


def write(path, data, ordered=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, sort_keys=ordered, ensure_ascii=False)
    path.write_text(text + '\n', encoding='utf-8')


def add(model, path):
    """What the service takes or says and the model leaves out."""
    if path.exists():
        more = json.loads(path.read_text())
        for name, values in more.get('enums', {}).items():
            known = model['shapes'][name]['enum']
            known += [v for v in values if v not in known]
        for name, root in more.get('roots', {}).items():
            model['shapes'][name]['locationName'] = root


def import_service(loader, service):
    offered = json.loads((HERE / service / 'operations.json').read_text())
    model = loader.load_service_model(service, 'service-2')
    unknown = sorted(set(offered) - set(model['operations']))
    if unknown:
        sys.exit(f'{service}: botocore has no {", ".join(unknown)}')
    drop = PROSE if service in WITH_CONTEXT else PROSE | CONTEXT
    small = cut(model, offered, drop)
    add(small, HERE / service / 'additions.json')
    folder = HERE / service / model['metadata']['apiVersion']
    # Members keep their order (XML and EC2 reply in it); everything above is sorted.
    for key in ('operations', 'shapes', 'metadata'):
        small[key] = dict(sorted(small[key].items()))
    write(folder / 'service-2.json', small, ordered=False)
    extras(loader, service, folder, 'paginators-1', 'pagination',
           lambda name, row: name in offered)
    extras(loader, service, folder, 'waiters-2', 'waiters',
           lambda name, row: row['operation'] in offered)
    write(HERE / service / 'not-offered.json',
          sorted(set(model['operations']) -
                 {n for n, row in offered.items() if row['kind'] != 'absent'}))
    print(f'{service}: {len(offered)} operations, {len(small["shapes"])} shapes')


def extras(loader, service, folder, kind, key, keep):
    import botocore.exceptions
    try:
        data = loader.load_service_model(service, kind)
    except botocore.exceptions.UnknownServiceError:
        return
    except botocore.exceptions.DataNotFoundError:
        return
    rows = {n: strip(r) for n, r in data.get(key, {}).items() if keep(n, r)}
    out = {'version': data['version'], key: rows} if 'version' in data else {key: rows}
    write(folder / f'{kind}.json', out)


def main():
    import botocore.loaders
    args = argparse.ArgumentParser(description='cut contracts out of botocore')
    args.add_argument('--service', action='append')
    services = args.parse_args().service
    if not services:
        services = sorted(p.parent.name for p in HERE.glob('*/operations.json')
                          if p.parent.name != 'gantry')
    # The installed data only: our own folders must not be read back.
    loader = botocore.loaders.Loader(include_default_search_paths=False,
                                     extra_search_paths=[
                                         botocore.loaders.Loader.BUILTIN_DATA_PATH])
    for service in services:
        import_service(loader, service)


if __name__ == '__main__':
    main()
