#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schema files to C structs with type tables (src/model/schema.h walks them). See docs/model.md.

    model.py (h|c) SCHEMA OUT

The language, line by line; '#' begins a comment.

    prefix api [icase]      first line: the C prefix, and the name of the header; icase: member names match without
                            regard to case on input, as Go's do
    object HostConfig       begins an object: struct api_host_config
    \tKey type [flags]      a member, indented; Key is the name on the wire
    \tembed Resources       the members of another object stand here on the wire; in C they are one member struct

Types                                       in C
    str                                     const char *x               NULL prints ""
    str?                                    const char *x               NULL prints null
    time                                    const char *x               checked RFC 3339
    bool f64 int i32 i64 u16 u32 u64        bool, double, int64_t, ...
    bool? int? u32? ...                     bool has_x; T x             absent prints null
    raw                                     struct sv x                 the value's own text
    set                                     struct model_str_list x     {"a":{},"b":{}}
    pair                                    struct model_pair x         [height,width]
    cmd                                     struct model_str_list x     list of strings; on input also one string
    Name                                    struct api_name x           an object in place
    Name?                                   struct api_name *x          NULL prints null
    [T]                                     struct T_list x             nil prints null
    {T}                                     struct T_map x              nil prints null; printed in key order

Flags
    omit        not printed when zero (Go's omitempty; for x? types: when absent)
    req         decoding fails when it is missing
    0..100      the range of a number
    pairs       a list of objects {Key, Value}: on input also one object of strings
    c=name      the C name, where the wire name gives a bad one
"""
import re
import sys

SCALARS = {
    'str': ('const char *', 'str'), 'time': ('const char *', 'time'), 'bool': ('bool', 'bool'),
    'f64': ('double', 'f64'), 'int': ('int64_t', 'int'), 'i32': ('int32_t', 'i32'), 'i64': ('int64_t', 'i64'),
    'u16': ('uint16_t', 'u16'), 'u32': ('uint32_t', 'u32'), 'u64': ('uint64_t', 'u64'),
    'raw': ('struct sv', 'raw'), 'set': ('struct model_str_list', 'set'), 'cmd': ('struct model_str_list', 'cmd'),
    'pair': ('struct model_pair', 'pair'),
}
NUMBERS = {'int': (8, True), 'i32': (4, True), 'i64': (8, True), 'u16': (2, False), 'u32': (4, False),
           'u64': (8, False)}
# Composites of plain values that schema.h defines by hand.
BASE = {'model_str_list', 'model_str_list_list', 'model_str_map', 'model_str_map_list', 'model_str_list_map',
        'model_i64_list', 'model_u64_list', 'model_u32_list', 'model_u64_map', 'model_i64_map', 'model_raw_list',
        'model_raw_map', 'model_str_map_map'}
KEYWORDS = {'default', 'static', 'int', 'register', 'signed', 'union', 'struct', 'switch', 'case', 'for', 'if', 'do',
            'else', 'while', 'long', 'short', 'auto', 'void', 'const', 'enum', 'break', 'continue', 'return'}


def snake(name):
    s = re.sub(r'[.\-]', '_', name)
    for word, low in (('IPv', 'Ipv'), ('IOps', 'Iops'), ('IOPS', 'Iops'), ('IDs', 'Ids'), ('IPs', 'Ips'),
                      ('CIDRs', 'Cidrs'), ('CPUs', 'Cpus'), ('OSType', 'OsType'), ('NFd', 'Nfd')):
        s = s.replace(word, low)
    s = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', s)
    s = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', s)
    s = s.lower()
    return s + '_' if s in KEYWORDS else s


class Fail(Exception):
    pass


class Type:
    """kind: scalar name, 'obj', 'ptr', 'opt' (nullable scalar), 'stropt', 'list' or 'map'."""

    def __init__(self, kind, arg=None):
        self.kind, self.arg = kind, arg


def parse_type(text):
    if text.startswith('[') and text.endswith(']'):
        return Type('list', parse_type(text[1:-1]))
    if text.startswith('{') and text.endswith('}'):
        return Type('map', parse_type(text[1:-1]))
    opt = text.endswith('?')
    base = text[:-1] if opt else text
    if base in SCALARS:
        if not opt:
            return Type(base)
        if base == 'str':
            return Type('stropt')
        if base in ('raw', 'set', 'cmd', 'time'):
            raise Fail('%s cannot be nullable' % base)
        return Type('opt', base)
    if not re.fullmatch(r'[A-Z]\w*', base):
        raise Fail('unknown type %s' % text)
    return Type('ptr' if opt else 'obj', base)


class Field:
    def __init__(self, key, type_, flags):
        self.key, self.type = key, type_
        self.cname = snake(key)
        self.omit = self.req = self.pairs = False
        self.range = None
        for f in flags:
            if f == 'omit':
                self.omit = True
            elif f == 'req':
                self.req = True
            elif f == 'pairs':
                self.pairs = True
            elif f.startswith('c='):
                self.cname = f[2:]
            elif re.fullmatch(r'-?\d+\.\.\d+', f):
                lo, hi = f.split('..')
                self.range = (int(lo), int(hi))
            else:
                raise Fail('unknown flag %s' % f)


class Object:
    def __init__(self, name, icase, notes):
        self.name, self.icase, self.notes = name, icase, notes
        self.members = []  # Field, or ('embed', name)


class Schema:
    def __init__(self, path):
        self.prefix, self.icase, self.objects = None, False, {}
        cur, notes = None, []
        with open(path, encoding='utf-8') as f:
            for n, line in enumerate(f, 1):
                try:
                    cur, notes = self.line(line.rstrip('\n'), cur, notes)
                except Fail as e:
                    sys.exit('%s:%d: %s' % (path, n, e))
        self.path = path
        for o in self.objects.values():
            self.check(o)

    def line(self, line, cur, notes):
        if line.startswith('#'):
            return cur, notes + [line[1:].strip()]
        text = line.split('#', 1)[0]
        words = text.split()
        if not words:
            return cur, []
        if words[0] == 'prefix':
            self.prefix, self.icase = words[1], 'icase' in words[2:]
            return cur, []
        if words[0] == 'object':
            if words[1] in self.objects:
                raise Fail('object %s twice' % words[1])
            cur = Object(words[1], self.icase, notes)
            self.objects[words[1]] = cur
            return cur, []
        if cur is None or not line[0].isspace():
            raise Fail('not inside an object')
        if words[0] == 'embed':
            cur.members.append(('embed', words[1]))
        else:
            if len(words) < 2:
                raise Fail('member without type')
            cur.members.append(Field(words[0], parse_type(words[1]), words[2:]))
        return cur, []

    def check(self, o):
        names, cnames = set(), set()
        for key, field, _ in self.flat(o):
            if key.lower() in names and o.icase or key in names:
                sys.exit('%s: %s.%s twice' % (self.path, o.name, key))
            names.add(key.lower() if o.icase else key)
            self.check_type(o, field.type)
        for m in o.members:
            c = m.cname if isinstance(m, Field) else snake(m[1])
            if c in cnames:
                sys.exit('%s: %s has the C name %s twice' % (self.path, o.name, c))
            cnames.add(c)
        if len(names) > 192:
            sys.exit('%s: %s has too many members' % (self.path, o.name))

    def check_type(self, o, t):
        if t.kind in ('list', 'map'):
            if t.arg.kind in ('opt', 'ptr'):
                sys.exit('%s: %s: items cannot be nullable' % (self.path, o.name))
            self.check_type(o, t.arg)
        elif t.kind in ('obj', 'ptr') and t.arg not in self.objects:
            sys.exit('%s: %s: no object %s' % (self.path, o.name, t.arg))

    def flat(self, o, path=''):
        """(key, field, C path) of all members as they stand on the wire."""
        for m in o.members:
            if isinstance(m, Field):
                yield m.key, m, path + m.cname
            else:
                if m[1] not in self.objects:
                    sys.exit('%s: %s embeds unknown %s' % (self.path, o.name, m[1]))
                yield from self.flat(self.objects[m[1]], path + snake(m[1]) + '.')

    # --- C names ---

    def cobj(self, name):
        return '%s_%s' % (self.prefix, snake(name))

    def stem(self, t):
        """What a list or map of t is named after."""
        if t.kind == 'stropt' or t.kind == 'str':
            return 'model_str'
        if t.kind == 'obj':
            return self.cobj(t.arg)
        if t.kind in ('list', 'map'):
            return '%s_%s' % (self.stem(t.arg), t.kind)
        if t.kind == 'int':
            return 'model_i64'
        if t.kind in ('i64', 'u64', 'u32', 'raw'):
            return 'model_' + t.kind
        raise Fail('no list or map of %s' % t.kind)

    def ctype(self, t):
        if t.kind == 'opt':
            return SCALARS[t.arg][0]
        if t.kind == 'stropt':
            return 'const char *'
        if t.kind == 'obj':
            return 'struct ' + self.cobj(t.arg)
        if t.kind == 'ptr':
            return 'struct %s *' % self.cobj(t.arg)
        if t.kind in ('list', 'map'):
            return 'struct ' + self.stem(t)
        return SCALARS[t.kind][0]

    # --- order ---

    def ordered(self):
        """Objects so that those held in place come first."""
        done, out = set(), []

        def visit(name, trail):
            if name in done:
                return
            if name in trail:
                sys.exit('%s: %s contains itself' % (self.path, name))
            o = self.objects[name]
            for m in o.members:
                if not isinstance(m, Field):
                    visit(m[1], trail + [name])
                elif m.type.kind == 'obj':
                    visit(m.type.arg, trail + [name])
            done.add(name)
            out.append(o)

        for name in self.objects:
            visit(name, [])
        return out

    def composites(self):
        """Lists and maps in use, inner ones first, by C name."""
        out = {}

        def add(t):
            if t.kind in ('list', 'map'):
                add(t.arg)
                out.setdefault(self.stem(t), t)

        for o in self.objects.values():
            for _, f, _ in self.flat(o):
                add(f.type)
        return out


def decl(ctype, name):
    return ctype + name if ctype.endswith('*') else ctype + ' ' + name


def gen_h(s):
    w = []
    w.append('/* SPDX-License-Identifier: Apache-2.0 */')
    w.append('/* Generated by tools/gen/model.py from %s: do not edit. model/schema.h tells the rules. */'
             % ('schema/' + s.path.split('/')[-1]))
    w.append('#pragma once\n\n#include "model/schema.h"\n')
    comps = s.composites()
    for o in s.objects.values():
        w.append('struct %s;' % s.cobj(o.name))
    w.append('')
    for name, t in comps.items():
        if name in BASE:
            continue
        item = 'struct %s_entry *' % s.stem(t.arg) if t.kind == 'map' else s.ctype(t.arg) + ' *'
        w.append('struct %s {\n\t%s;\n\tsize_t n, cap;\n};' % (name, decl(item.replace('* *', '**'), 'v')))
    w.append('')
    for o in s.ordered():
        if o.notes:
            w.append('/* %s */' % ' '.join(o.notes))
        w.append('struct %s {' % s.cobj(o.name))
        for m in o.members:
            if isinstance(m, Field):
                if m.type.kind == 'opt':
                    w.append('\tbool has_%s;' % m.cname)
                w.append('\t%s;' % decl(s.ctype(m.type), m.cname))
            else:
                w.append('\tstruct %s %s;' % (s.cobj(m[1]), snake(m[1])))
        if not o.members:
            w.append('\tchar nothing_;')
        w.append('};')
    w.append('')
    for name, t in comps.items():
        if t.kind == 'map' and name not in BASE:
            w.append('struct %s_entry {\n\tconst char *k;\n\t%s;\n};' % (s.stem(t.arg), decl(s.ctype(t.arg), 'v')))
    w.append('')
    for o in s.objects.values():
        w.append('MODEL_OBJECT(%s)' % s.cobj(o.name))
    return '\n'.join(w) + '\n'


def gen_c(s):
    w = ['/* SPDX-License-Identifier: Apache-2.0 */',
         '/* Generated by tools/gen/model.py from %s: do not edit. */' % ('schema/' + s.path.split('/')[-1]),
         '#include "model/%s.gen.h"\n' % s.prefix]
    emitted = set()

    def ref(t, rng=None):
        """A pointer to the type's table, emitted when it is a composite."""
        if t.kind == 'stropt':
            return '&model_type_str_opt'
        if t.kind == 'obj':
            return '&%s_type' % s.cobj(t.arg)
        if t.kind == 'ptr':
            name = 't_ptr_' + s.cobj(t.arg)
            if name not in emitted:
                emitted.add(name)
                w.append('static const struct model_type %s = { .kind = MODEL_PTR, .elem = &%s_type, '
                         '.size = sizeof(void *) };' % (name, s.cobj(t.arg)))
            return '&' + name
        if t.kind in ('list', 'map'):
            elem = ref(t.arg)
            stem = s.stem(t)
            name = 't_' + stem + ('_opt' if t.arg.kind == 'stropt' else '_int' if t.arg.kind == 'int' else '')
            if name not in emitted:
                emitted.add(name)
                w.append('static const struct model_type %s = { .kind = MODEL_%s, .elem = %s, '
                         '.size = sizeof(struct %s) };' % (name, t.kind.upper(), elem, stem))
            return '&' + name
        base = t.arg if t.kind == 'opt' else t.kind
        if rng:
            if base not in NUMBERS:
                raise Fail('%s has no range' % base)
            size, signed = NUMBERS[base]
            lo, hi = rng
            name = ('t_%s_%s_%s' % (base, lo, hi)).replace('-', 'm')
            if name not in emitted:
                emitted.add(name)
                go = {'i32': 'int32', 'i64': 'int64', 'u16': 'uint16', 'u32': 'uint32', 'u64': 'uint64'}
                w.append('static const struct model_type %s = { .name = "%s", .kind = MODEL_%s, .size = %d, '
                         '.min = %d, .max = %d };' % (name, go.get(base, base), 'INT' if signed else 'UINT', size,
                                                      lo, hi))
            return '&' + name
        return '&model_type_' + SCALARS[base][1]

    for o in s.objects.values():
        c = s.cobj(o.name)
        rows = []
        for key, f, path in s.flat(o):
            flags = [n for on, n in ((f.omit, 'MODEL_OMIT'), (f.type.kind == 'opt', 'MODEL_NULLABLE'),
                                     (f.req, 'MODEL_REQUIRED'), (f.pairs, 'MODEL_PAIRS')) if on]
            has = '0'
            if f.type.kind == 'opt':
                has = 'offsetof(struct %s, %s)' % (c, re.sub(r'(\w+)$', r'has_\1', path))
            rows.append('\t{ "%s", %s, offsetof(struct %s, %s), %s, %d, %s },'
                        % (key, ref(f.type, f.range), c, path, has, len(key), ' | '.join(flags) or '0'))
        if rows:
            w.append('static const struct model_field f_%s[] = {' % c)
            w += rows
            w.append('};')
        w.append('const struct model_type %s_type = { .name = "%s", .kind = MODEL_OBJ, %s.size = sizeof(struct %s)%s };\n'
                 % (c, o.name, '.fields = f_%s, .n_fields = %d, ' % (c, len(rows)) if rows else '', c,
                    ', .icase = true' if o.icase else ''))
    return '\n'.join(w) + '\n'


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ('h', 'c'):
        sys.exit(__doc__)
    s = Schema(sys.argv[2])
    try:
        text = gen_h(s) if sys.argv[1] == 'h' else gen_c(s)
    except Fail as e:
        sys.exit('%s: %s' % (sys.argv[2], e))
    with open(sys.argv[3], 'w', encoding='utf-8') as f:
        f.write(text)


main()
