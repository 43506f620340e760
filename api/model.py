"""A service's model as generate.py sees it: shapes with their C types and names."""
import json
import pathlib

from names import member, quote, snake, unique

# model type: (enum wire_type, C type in a struct, C type in a list, shared list struct)
SCALARS = {
    'boolean': ('WIRE_BOOL', 'struct opt_bool', 'bool', 'bool_list'),
    'integer': ('WIRE_INT', 'struct opt_int', 'int32_t', 'int_list'),
    'long': ('WIRE_LONG', 'struct opt_long', 'int64_t', 'long_list'),
    'float': ('WIRE_DOUBLE', 'struct opt_double', 'double', 'double_list'),
    'double': ('WIRE_DOUBLE', 'struct opt_double', 'double', 'double_list'),
    'timestamp': ('WIRE_TIMESTAMP', 'struct opt_time', 'int64_t', 'long_list'),
    'string': ('WIRE_STRING', 'const char *', 'const char *', 'string_list'),
    'character': ('WIRE_STRING', 'const char *', 'const char *', 'string_list'),
    'blob': ('WIRE_BLOB', 'struct wire_blob', 'struct wire_blob', 'blob_list'),
    'document': ('WIRE_DOCUMENT', 'const char *', 'const char *', 'string_list'),
}


class Shape:
    def __init__(self, model, name, data):
        self.model, self.name, self.data = model, name, data
        self.c = None       # struct or enum tag without the service's prefix
        kind = data['type']
        if data.get('document'):
            kind = 'document'
        elif kind == 'string' and data.get('enum'):
            kind = 'enum'
        self.kind = kind

    @property
    def tag(self):
        return f'{self.model.prefix}_{self.c}'

    @property
    def symbol(self):
        return f'{self.tag}_shape'

    @property
    def wire_type(self):
        special = {'structure': 'WIRE_STRUCT', 'list': 'WIRE_LIST', 'map': 'WIRE_MAP',
                   'enum': 'WIRE_ENUM'}
        return special.get(self.kind) or SCALARS[self.kind][0]

    def ref(self, key):
        return self.model.find(self.data[key]['shape'])

    def container(self):
        """Tag of the C struct of a list or map, and whether this service defines it."""
        return self.model.container(self)

    def element_type(self):
        if self.kind == 'structure':
            return f'struct {self.tag}'
        if self.kind in ('list', 'map'):
            return f'struct {self.container()[0]}'
        return 'int' if self.kind == 'enum' else SCALARS[self.kind][2]

    def member_type(self):
        if self.kind == 'structure':
            return f'struct {self.tag} *'
        if self.kind in ('list', 'map'):
            return f'struct {self.container()[0]}'
        return f'enum {self.tag}' if self.kind == 'enum' else SCALARS[self.kind][1]


class Model:
    """Structure shapes keep the model's own name in C; see container() for lists."""

    def __init__(self, prefix, path, references=()):
        self.prefix = prefix
        self.references = {m.prefix: m for m in references}
        data = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
        self.metadata = data['metadata']
        folder = pathlib.Path(path).resolve().parent.parent
        self.table = self.side_file(folder / 'operations.json', {})
        # Rows of kind "absent": in the contract because clients look them up when they
        # load it (the AWS CLI does so with ExecuteCommand), but not offered.
        absent = {n for n, row in self.table.items() if row['kind'] == 'absent'}
        self.table = {n: row for n, row in self.table.items() if n not in absent}
        self.operations = {n: op for n, op in sorted(data.get('operations', {}).items())
                           if n not in absent}
        self.shapes = {n: Shape(self, n, d) for n, d in data['shapes'].items()}
        for name, c in unique(self.shapes, snake).items():
            self.shapes[name].c = c
        self.not_offered = self.side_file(folder / 'not-offered.json', [])
        # Without a single "box" in the model nobody told boxed from un-boxed.
        self.tells_boxes = any(
            'box' in d or any('box' in m for m in d.get('members', {}).values())
            for d in data['shapes'].values())
        self.containers = {}
        self.struct_tags = {s.tag for s in self.shapes.values()
                            if s.kind == 'structure'}

    @staticmethod
    def side_file(path, default):
        return json.loads(path.read_text(encoding='utf-8')) if path.exists() else default

    def find(self, name):
        if '#' not in name:
            return self.shapes[name]
        service, _, shape = name.partition('#')
        found = self.references[service].shapes[shape]
        if found.kind not in ('structure', 'list', 'map', 'enum'):
            raise SystemExit(f'{self.prefix}: {name} is a plain {found.kind}: '
                             'declare one here')
        return found

    def container(self, shape):
        key = shape.name
        if key not in self.containers:
            self.containers[key] = self.name_container(shape)
        return self.containers[key]

    def name_container(self, shape):
        value = shape.ref('member' if shape.kind == 'list' else 'value')
        if shape.kind == 'list':
            shared = 'enum_list' if value.kind == 'enum' else \
                SCALARS[value.kind][3] if value.kind in SCALARS else None
        else:
            shared = 'string_map' if value.kind == 'string' else None
        if shared:
            return shared, False
        if value.model is not self:
            for other in value.model.shapes.values():
                if other.kind == shape.kind and other.ref(
                        'member' if other.kind == 'list' else 'value') is value:
                    return other.container()[0], False
            base = f'{self.prefix}_{value.tag}'
        else:
            base = value.tag
        tag = f'{base}_{shape.kind}'
        while tag in self.struct_tags:  # a structure of the model bears the name
            tag += '_'
        return tag, True

    def own_containers(self):
        """Lists and maps to define here, one of each tag: [(tag, kind, value shape)]."""
        out = {}
        for name in sorted(self.shapes):
            shape = self.shapes[name]
            if shape.kind in ('list', 'map'):
                tag, own = shape.container()
                if own:
                    value = shape.ref('member' if shape.kind == 'list' else 'value')
                    out.setdefault(tag, (tag, shape.kind, value))
        return [out[t] for t in sorted(out)]

    def of_kind(self, *kinds):
        return [self.shapes[n] for n in sorted(self.shapes)
                if self.shapes[n].kind in kinds]

    def exceptions(self):
        return [s for s in self.of_kind('structure') if s.data.get('exception')]

    def members(self, shape):
        """[(name, C name, reference, shape)] in the model's order."""
        names = unique(shape.data.get('members', {}), member)
        return [(n, names[n], ref, self.find(ref['shape']))
                for n, ref in shape.data.get('members', {}).items()]


__all__ = ['Model', 'SCALARS', 'quote']
