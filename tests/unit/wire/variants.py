#!/usr/bin/env python3
"""The probe model in another protocol: variants.py probe.json PROTOCOL OUT.json

One shape with every kind of member is enough to show that a protocol fits the descriptors;
for REST some members move to path, query, headers and status.
"""
import json
import sys

REST = {
    'name': {'location': 'uri', 'locationName': 'Name'},
    'publicIPv4Address': {'location': 'uri', 'locationName': 'Rest'},
    'size': {'location': 'querystring', 'locationName': 'size'},
    'names': {'location': 'querystring', 'locationName': 'n'},
    'maybe': {'location': 'querystring', 'locationName': 'maybe'},
    'when': {'location': 'header', 'locationName': 'X-When'},
    'color': {'location': 'header', 'locationName': 'X-Color'},
    'colors': {'location': 'header', 'locationName': 'X-Colors'},
    'tags': {'location': 'headers', 'locationName': 'x-tag-'},
}


def rest(model):
    members = model['shapes']['Thing']['members']
    out = {k: dict(v) for k, v in members.items()}
    model['shapes']['Thing']['required'].append('publicIPv4Address')
    for name, place in REST.items():
        members[name] = {**members[name], **place}
        if place['location'] in ('uri', 'querystring'):
            continue                      # a reply has neither
        out[name] = {**out[name], **place}
    out['status'] = {'shape': 'Integer', 'location': 'statusCode'}
    model['shapes']['ThingOut'] = {'type': 'structure', 'members': out}
    model['shapes']['Upload'] = {
        'type': 'structure', 'payload': 'data', 'required': ['name'], 'members': {
            'name': {'shape': 'Name', 'location': 'uri', 'locationName': 'Name'},
            'part': {'shape': 'BoxedInteger', 'location': 'querystring',
                     'locationName': 'part'},
            'data': {'shape': 'Body'}}}
    model['shapes']['UploadPart'] = {
        'type': 'structure', 'payload': 'part', 'required': ['name', 'number'], 'members': {
            'name': {'shape': 'Name', 'location': 'uri', 'locationName': 'Name'},
            'number': {'shape': 'BoxedInteger', 'location': 'querystring',
                       'locationName': 'number'},
            'part': {'shape': 'Part', 'locationName': 'Part'}}}
    model['shapes']['Body'] = {'type': 'blob'}
    ops = model['operations']
    ops['PutThing']['http'] = {'method': 'POST', 'requestUri': '/things/{Name}/{Rest+}?deep'}
    ops['PutThing']['output'] = {'shape': 'ThingOut'}
    ops['PutThing']['input']['locationName'] = 'PutThingRequest'
    ops['Ping']['http'] = {'method': 'GET', 'requestUri': '/ping', 'responseCode': 204}
    ops['Upload'] = {'name': 'Upload', 'http': {'method': 'PUT', 'requestUri': '/{Name}'},
                     'input': {'shape': 'Upload'}, 'output': {'shape': 'Upload'}}
    ops['UploadPart'] = {'name': 'UploadPart', 'input': {'shape': 'UploadPart'},
                         'http': {'method': 'PUT', 'requestUri': '/{Name}'}}


def main():
    source, protocol, target = sys.argv[1:]
    with open(source, encoding='utf-8') as f:
        model = json.load(f)
    model['metadata'].update(protocol=protocol, protocols=[protocol],
                             endpointPrefix='probe-' + protocol)
    if protocol == 'smithy-rpc-v2-cbor':  # one port: nothing but the target tells them apart
        model['metadata']['targetPrefix'] += 'Cbor'
    if protocol != 'json':                # patterns are the same everywhere
        for name in ('dashed', 'evil', 'ahead'):
            del model['shapes']['Thing']['members'][name]
    if protocol.startswith('rest-'):
        rest(model)
    if protocol == 'ec2':                 # it has neither maps nor documents nor unions
        members = model['shapes']['Thing']['members']
        for name in ('free', 'attribute', 'tags', 'flatMap', 'partMap', 'colorMap'):
            del members[name]
        del model['operations']['PutThing']['output']['resultWrapper']
        members['names'].update(locationName='nameSet', queryName='Names')
    if protocol in ('query', 'rest-xml'):
        del model['shapes']['Thing']['members']['free']
        if protocol == 'rest-xml':
            # botocore wraps flattened maps all the same, and S3 has none.
            for shape in ('Thing', 'ThingOut'):
                model['shapes'][shape]['members'].pop('free', None)
                del model['shapes'][shape]['members']['flatMap']
    if protocol == 'smithy-rpc-v2-cbor':
        model['metadata']['awsQueryCompatible'] = {}
        del model['shapes']['Thing']['members']['free']
    with open(target, 'w', encoding='utf-8') as f:
        json.dump(model, f, indent=1)


main()
