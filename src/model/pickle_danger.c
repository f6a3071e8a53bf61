/* SPDX-License-Identifier: MIT */
/* Names that no model needs and that run programs or code when Python reads a pickle. This list
 * keeps nothing out, for nothing is ever called; it tells a person that the file is an attack. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "model/pickle.h"

/* Any name below these. */
static const char *const modules[] = {"os",
                                      "posix",
                                      "nt",
                                      "subprocess",
                                      "sys",
                                      "runpy",
                                      "importlib",
                                      "ctypes",
                                      "_ctypes",
                                      "socket",
                                      "_socket",
                                      "shutil",
                                      "pty",
                                      "webbrowser",
                                      "commands",
                                      "popen2",
                                      "code",
                                      "codeop",
                                      "bdb",
                                      "pdb",
                                      "timeit",
                                      "cProfile",
                                      "profile",
                                      "trace",
                                      "imp",
                                      "pickle",
                                      "_pickle",
                                      "cPickle",
                                      "marshal",
                                      "pkgutil",
                                      "pip",
                                      "ensurepip",
                                      "venv",
                                      "asyncio",
                                      "requests",
                                      "urllib",
                                      "urllib2",
                                      "http",
                                      "httplib",
                                      "ftplib",
                                      "smtplib",
                                      "telnetlib",
                                      "ssl",
                                      "aiohttp",
                                      "paramiko",
                                      "signal",
                                      "multiprocessing",
                                      "_posixsubprocess",
                                      "platform",
                                      "tempfile",
                                      "zipimport",
                                      "distutils",
                                      "setuptools",
                                      "idlelib",
                                      "lib2to3",
                                      "pydoc",
                                      "doctest",
                                      "dill",
                                      "cloudpickle"};

/* Of builtins, and at the end of any dotted name. */
static const char *const functions[] = {
    "eval",       "exec",       "execfile",        "compile",    "open",    "file",
    "input",      "raw_input",  "getattr",         "setattr",    "delattr", "globals",
    "locals",     "vars",       "apply",           "breakpoint", "reload",  "help",
    "memoryview", "__import__", "__build_class__", "print"};

/* Found elsewhere: functions of PyTorch and NumPy that run what they are given. */
static const char *const others[] = {"torch.load",
                                     "torch.serialization.load",
                                     "torch.hub.load",
                                     "torch.package.package_importer.PackageImporter",
                                     "torch.utils.model_zoo.load_url",
                                     "torch._dynamo.guards.GuardBuilder.get",
                                     "torch._inductor.codecache.compile_file",
                                     "torch.jit.unsupported_tensor_ops.execWrapper",
                                     "torch.utils._config_module.load_config",
                                     "torch.utils.collect_env.run",
                                     "numpy.load",
                                     "numpy.testing._private.utils.runstring",
                                     "numpy.f2py.crackfortran.myeval",
                                     "functools.reduce",
                                     "operator.methodcaller",
                                     "_operator.methodcaller"};

static bool same(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

static bool among(const char *text, size_t bytes, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same(text, bytes, words[i]))
            return true;
    }
    return false;
}

static bool is_builtins(const char *module, size_t bytes)
{
    static const char *const names[] = {"builtins", "__builtin__", "__builtins__"};
    return among(module, bytes, names, PQ_COUNT(names));
}

/* "module.name" as one text, in pieces. */
static bool is_other(const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < PQ_COUNT(others); i++) {
        const char *o = others[i];
        if (strlen(o) == module_bytes + 1 + name_bytes && memcmp(o, module, module_bytes) == 0 &&
            o[module_bytes] == '.' && memcmp(o + module_bytes + 1, name, name_bytes) == 0)
            return true;
    }
    return false;
}

bool pq_pickle_dangerous(const char *module, size_t module_bytes, const char *name,
                         size_t name_bytes)
{
    const char *dot = memchr(module, '.', module_bytes);
    size_t root = dot ? (size_t)(dot - module) : module_bytes;
    if (among(module, root, modules, PQ_COUNT(modules)) ||
        is_other(module, module_bytes, name, name_bytes))
        return true;
    if (is_builtins(module, module_bytes) &&
        among(name, name_bytes, functions, PQ_COUNT(functions)))
        return true;
    /* Protocol 4 lets a name go through others: ("torch.serialization", "os.system"). */
    for (size_t at = 0; memchr(name, '.', name_bytes) && at <= name_bytes;) {
        dot = memchr(name + at, '.', name_bytes - at);
        size_t part = dot ? (size_t)(dot - name) - at : name_bytes - at;
        if (is_builtins(name + at, part) || among(name + at, part, modules, PQ_COUNT(modules)) ||
            among(name + at, part, functions, PQ_COUNT(functions)))
            return true;
        at += part + 1;
    }
    return false;
}

int pq_pickle_check_names(const char *path, const struct pq_pickle *pickle, pique_error *err)
{
    char names[300] = "";
    size_t length = 0;
    bool more = false;
    for (size_t i = 0; i < pickle->global_count; i++) {
        const struct pq_pickle_value *v = &pickle->globals[i]->value;
        if (!pickle->globals[i]->dangerous)
            continue;
        if (length && length + 2 + v->bytes >= sizeof names)
            more = true;
        else
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%.250s",
                                       length ? ", " : "", v->text);
    }
    if (length == 0)
        return 0;
    return pq_fail(err, PIQUE_EFORMAT,
                   "%s: tries to run code when it is opened (%s%s). pique runs none; do not open "
                   "this file with other programs",
                   path, names, more ? pq_tr(" and more") : "");
}
