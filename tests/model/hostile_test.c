/* SPDX-License-Identifier: MIT */
/* hostile_test FOLDER: attacks on readers of model files that became known elsewhere, one row each,
 * by class; and bombs, which take time or memory. FOLDER is where make_pth.py and make_onnx.py
 * wrote theirs. Each is opened as trial.h says, and must be refused with the sentence in its row.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "damage.h"
#include "pique/error.h"
#include "trial.h"

static const char *folder;

/* ---- bombs ---- */

/* Tensors of a network that goes on and on: `format` has the number. */
static void many_tensors(struct bytes *out, const char *format, long count, int64_t bytes)
{
    struct bytes json = {0}, data = {0};
    char name[200];
    bytes_text(&json, "{");
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, format, i / 30, i / 10 % 3 + 1, i / 2 % 5 + 1,
                 i % 2 ? "bias" : "weight");
        bytes_text(&json,
                   "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%" PRId64 "],\"data_offsets\":[%" PRId64
                   ",%" PRId64 "]}",
                   i ? "," : "", name, bytes / 4, i * bytes, (i + 1) * bytes);
    }
    bytes_text(&json, "}");
    for (int64_t i = 0; i < count * bytes; i += 4)
        bytes_add(&data, "\0\0\0", 4);
    wrap_safetensors((const char *)json.data, data.data, data.size, out);
    bytes_free(&json);
    bytes_free(&data);
}

static void st_many(struct hostile *h)
{
    many_tensors(&h->first, "body.%ld.rdb%ld.conv%ld.%s", 16384, 4);
}

static void st_too_many(struct hostile *h)
{
    many_tensors(&h->first, "body.%ld.rdb%ld.conv%ld.%s", 16385, 4);
}

/* ESRGAN of width 1 with as many blocks as fit: every tensor is right. */
static void st_long_network(struct hostile *h)
{
    struct maker m = {.features = 1,
                      .growth = 1,
                      .blocks = 540,
                      .scale = 1,
                      .channels = 1,
                      .names = NAMES_BASICSR};
    make_safetensors(&m, &h->first);
}

static void st_long_compact(struct hostile *h)
{
    struct maker m = {.features = 1, .convs = 5400, .scale = 1, .channels = 1};
    make_safetensors(&m, &h->first);
}

static void st_nested(struct hostile *h)
{
    struct bytes json = {0};
    bytes_text(&json, "{\"a\":");
    for (int i = 0; i < 1000000; i++)
        bytes_add(&json, "[", 1);
    wrap_safetensors((const char *)json.data, "", 0, &h->first);
    bytes_free(&json);
}

static void st_values(struct hostile *h)
{
    struct bytes json = {0};
    bytes_text(&json, "{\"a\":[0");
    for (int i = 0; i < 2000000; i++)
        bytes_add(&json, ",1", 2);
    bytes_text(&json, "]}");
    wrap_safetensors((const char *)json.data, "", 0, &h->first);
    bytes_free(&json);
}

/* The same, of objects, and of metadata: what takes most memory for its text. */
static void st_repeat(struct hostile *h, const char *before, const char *part, long count,
                      const char *after)
{
    struct bytes json = {0};
    bytes_text(&json, "%s", before);
    for (long i = 0; i < count; i++)
        bytes_text(&json, part, i);
    bytes_text(&json, "%s", after);
    wrap_safetensors((const char *)json.data, "", 0, &h->first);
    bytes_free(&json);
}

static void st_objects(struct hostile *h)
{
    st_repeat(h, "{\"a\":[{}", ",{}", 260000, "]}");
}

static void st_arrays(struct hostile *h)
{
    st_repeat(h, "{\"a\":[[]", ",[]", 130000, "]}");
}

static void st_metadata(struct hostile *h)
{
    st_repeat(h, "{\"__metadata__\":{\"a\":\"\"", ",\"%lx\":\"\"", 260000, "}}");
}

static void in_text(struct hostile *h, const char *before, const char *part, long count)
{
    bytes_text(&h->first, "%s", before);
    for (long i = 0; i < count; i++)
        bytes_text(&h->first, "%s", part);
}

static void waifu2x_objects(struct hostile *h)
{
    in_text(h, "[{\"a\":[0", ",{}", 350000);
    bytes_text(&h->first, "]}]");
}

static void waifu2x_arrays(struct hostile *h)
{
    in_text(h, "[{\"a\":[0", ",[0]", 349990);
    bytes_text(&h->first, "]}]");
}

static void waifu2x_values(struct hostile *h)
{
    in_text(h, "[{\"a\":[0", ",0", 700001);
    bytes_text(&h->first, "]}]");
}

static void st_header(struct hostile *h, uint64_t size)
{
    wrap_safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "abcd", 4,
                     &h->first);
    bytes_put(&h->first, 0, 8, size);
}

static void st_header_2_63(struct hostile *h)
{
    st_header(h, UINT64_C(1) << 63);
}

static void st_header_all(struct hostile *h)
{
    st_header(h, UINT64_MAX);
}

static void st_header_4g(struct hostile *h)
{
    st_header(h, UINT64_C(1) << 32);
}

static void in_zip(struct hostile *h, struct bytes *pickle)
{
    struct zip_maker z = {0};
    zip_add(&z, "a/data.pkl", 10, pickle->data, pickle->size);
    zip_end(&z);
    h->first = z.file;
    bytes_free(pickle);
}

static void repeat(struct hostile *h, const char *before, size_t before_size, const char *op,
                   size_t op_size, long count, const char *after)
{
    struct bytes p = {0};
    bytes_add(&p, before, before_size);
    for (long i = 0; i < count; i++)
        bytes_add(&p, op, op_size);
    bytes_text(&p, "%s", after);
    in_zip(h, &p);
}

static void pickle_memo(struct hostile *h)
{
    repeat(h, "\x80\2}r\xff\xff\xff\x7f", 8, "", 0, 0, ".");
}

static void pickle_memo_grows(struct hostile *h)
{
    repeat(h, "\x80\2}", 3, "\x94", 1, 600000, ".");
}

static void pickle_nested_tuples(struct hostile *h)
{
    repeat(h, "\x80\2}", 3, "\x85", 1, 524000, ".");
}

/* Both pickles of an older file at once. */
static void pickle_two(struct hostile *h)
{
    static const char head[] = "\x80\2\x8a\nl\xfc\x9c"
                               "F\xf9 j\xa8P\x19."
                               "\x80\2M\xe9\3."
                               "\x80\2}X\r\0\0\0little_endian\x88s.";
    bytes_add(&h->first, head, sizeof head - 1);
    for (int i = 0; i < 2; i++) {
        bytes_add(&h->first, i ? "\x80\2](" : "\x80\2}", i ? 4 : 3);
        for (int k = 0; k < 524000; k++)
            bytes_add(&h->first, "\x85", i && k == 0 ? 0 : 1);
        bytes_text(&h->first, i ? "e." : ".");
    }
}

static void pickle_nested_dicts(struct hostile *h)
{
    repeat(h, "\x80\2}", 3, "X\1\0\0\0a}", 7, 260000, ".");
}

static void pickle_doubling(struct hostile *h)
{
    /* each tuple holds the one before it three times */
    repeat(h, "\x80\2}X\1\0\0\0aN", 10, "22\x87", 3, 170000, "s.");
}

static void pickle_marks(struct hostile *h)
{
    repeat(h, "\x80\2", 2, "(", 1, 524000, ".");
}

static void pickle_stack(struct hostile *h)
{
    repeat(h, "\x80\2N", 3, "2", 1, 524000, ".");
}

static void pickle_one_list(struct hostile *h)
{
    repeat(h, "\x80\2](N", 5, "2", 1, 524000, "e.");
}

static void pickle_names(struct hostile *h)
{
    struct bytes p = {0};
    bytes_text(&p, "\x80\2}");
    for (int i = 0; i < 60000; i++)
        bytes_text(&p, "cx\nf%d\n0", i);
    bytes_text(&p, ".");
    in_zip(h, &p);
}

static void pickle_long(struct hostile *h)
{
    repeat(h, "\x80\2\x8b\xff\xff\xff\x7f", 7, "", 0, 0, ".");
}

static void pickle_text_2_63(struct hostile *h)
{
    repeat(h, "\x80\4\x8d\0\0\0\0\0\0\0\x80", 11, "", 0, 0, ".");
}

static void pickle_frame(struct hostile *h)
{
    repeat(h, "\x80\4\x95\xff\xff\xff\xff\xff\xff\xff\xff", 11, "", 0, 0, "}.");
}

static void pickle_shared_dicts(struct hostile *h)
{
    /* {'a': d, 'b': d} forty times within one another: 2^40 ways to the innermost */
    repeat(h, "\x80\2}", 3, "q\0010}(X\1\0\0\0ah\1X\1\0\0\0bh\1u", 22, 40, ".");
}

static void zip_entries(struct hostile *h)
{
    struct zip_maker z = {0};
    char name[32];
    for (int i = 0; i < 65535; i++) {
        int n = snprintf(name, sizeof name, "a/data/%d", i);
        zip_add(&z, name, (size_t)n, "", 0);
    }
    zip_end(&z);
    h->first = z.file;
}

/* A tensor of a storage of four bytes. */
static void tensor(struct hostile *h, const struct view *v)
{
    struct zip_maker z = {0};
    struct bytes p = {0};
    pickle_begin(&p);
    pickle_text(&p, "a", 1);
    pickle_tensor(&p, v);
    pickle_end(&p);
    zip_add(&z, "a/data.pkl", 10, p.data, p.size);
    zip_add(&z, "a/data/0", 8, "abcd", 4);
    zip_end(&z);
    bytes_free(&p);
    h->first = z.file;
}

static void tensor_wraps(struct hostile *h)
{
    tensor(h, &(struct view){"FloatStorage", "0", 1, 1, 2, {2, 2}, {INT64_MAX, INT64_MAX}});
}

static void tensor_offset_wraps(struct hostile *h)
{
    tensor(h, &(struct view){"FloatStorage", "0", 1, INT64_MAX, 1, {2}, {1}});
}

static void tensor_repeats(struct hostile *h)
{
    tensor(h, &(struct view){"FloatStorage", "0", 1, 0, 4, {65536, 65536, 64, 1}, {0}});
}

static void tensor_storage_lies(struct hostile *h)
{
    tensor(h, &(struct view){"FloatStorage", "0", UINT64_C(1) << 62, 0, 1, {1}, {1}});
}

static void ncnn_layers(struct hostile *h)
{
    h->is_ncnn = true;
    bytes_text(&h->first, "7767517\n60002 60002\nInput in 0 1 b0\n");
    for (int i = 0; i < 60001; i++)
        bytes_text(&h->first, "ReLU r%d 1 1 b%d b%d\n", i, i, i + 1);
    bytes_text(&h->second, "%s", "");
}

/* As many words as a .param may have. */
static void ncnn_words(struct hostile *h)
{
    h->is_ncnn = true;
    bytes_text(&h->first, "7767517\n1 1\nInput in 0 1 a");
    for (long i = 0; i < 2000000; i++)
        bytes_add(&h->first, " 0", 2);
}

static void ncnn_lines(struct hostile *h)
{
    h->is_ncnn = true;
    bytes_text(&h->first, "7767517\n500000 500000\n");
    for (long i = 0; i < 400000; i++)
        bytes_add(&h->first, "A a 0 0\n", 8);
}

/* A model of one graph of nothing but empty nodes; then of nothing but attributes. */
static void onnx_of(struct hostile *h, const char *item, size_t size, long count)
{
    struct bytes graph = {0};
    unsigned char length[5];
    for (long i = 0; i < count; i++)
        bytes_add(&graph, item, size);
    for (int i = 0; i < 5; i++)
        length[i] = (unsigned char)((graph.size >> (7 * i) & 127) | (i < 4 ? 128 : 0));
    bytes_add(&h->first, "\x08\x08\x3a", 3);
    int n = 5;
    while (n > 1 && length[n - 1] == 0)
        length[--n - 1] &= 127;
    bytes_add(&h->first, length, (size_t)n);
    bytes_add(&h->first, graph.data, graph.size);
    bytes_add(&h->first, "\x42\x02\x10\x0d", 4);
    bytes_free(&graph);
}

static void onnx_nodes(struct hostile *h)
{
    onnx_of(h, "\x0a\x00", 2, 65536);
}

static void onnx_attributes(struct hostile *h)
{
    onnx_of(h,
            "\x0a\x28\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00"
            "\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00\x2a\x00"
            "\x2a\x00\x2a\x00\x2a\x00",
            42, 60000);
}

static void onnx_names(struct hostile *h)
{
    onnx_of(h,
            "\x0a\x28\x0a\x00\x0a\x00\x0a\x00\x0a\x00\x0a\x00\x0a\x00\x0a\x00\x0a\x00"
            "\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00"
            "\x12\x00\x12\x00\x12\x00",
            42, 60000);
}

static void onnx_initializers(struct hostile *h)
{
    onnx_of(h, "\x2a\x00", 2, 2000000);
}

static void ncnn_split(struct hostile *h)
{
    h->is_ncnn = true;
    bytes_text(&h->first, "7767517\n2 2147483647\nInput in 0 1 a\nSplit s 1 2147483646 a b c\n");
}

static void text_and_binary(struct hostile *h)
{
    wrap_safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "abcd", 4,
                     &h->first);
    struct zip_maker z = {0};
    zip_add(&z, "a/data.pkl", 10, "\x80\2}.", 4);
    zip_end(&z);
    bytes_add(&h->first, z.file.data, z.file.size);
    bytes_free(&z.file);
}

/* ---- the table ---- */

enum container { SAFETENSORS, NCNN, FOLDER, BYTES, MADE };

struct row {
    const char *class; /* of attack */
    enum container container;
    const char *text; /* JSON, .param, name of a file, or bytes */
    int data;         /* bytes of data, of the .bin, or of text */
    void (*make)(struct hostile *h);
    int code;
    const char *says;
};

#define ST(class, json, data, says)                                                                \
    {                                                                                              \
        class, SAFETENSORS, json, data, NULL, PIQUE_EFORMAT, says                                  \
    }
#define PARAM(class, text, data, code, says)                                                       \
    {                                                                                              \
        class, NCNN, "7767517\n" text, data, NULL, code, says                                      \
    }
#define FROM(class, name, code, says)                                                              \
    {                                                                                              \
        class, FOLDER, name, 0, NULL, code, says                                                   \
    }
#define RAW(class, bytes, code, says)                                                              \
    {                                                                                              \
        class, BYTES, bytes, sizeof bytes - 1, NULL, code, says                                    \
    }
#define MAKE(class, make, code, says)                                                              \
    {                                                                                              \
        class, MADE, NULL, 0, make, code, says                                                     \
    }

static const struct row rows[] = {
    /* a file that would run code: the call, by every way to name it */
    FROM("code: a global", "bad/code_os.system.pth", PIQUE_EFORMAT, "tries to run code"),
    FROM("code: a name from the stack", "bad/code_stack.pth", PIQUE_EFORMAT, "tries to run code"),
    FROM("code: within another module", "bad/code_dotted.pth", PIQUE_EFORMAT, "tries to run code"),
    FROM("code: an instance", "bad/code_inst.pth", PIQUE_EFORMAT, "tries to run code"),
    FROM("code: after a damage that stops scanners", "bad/code_cut.pth", PIQUE_EFORMAT,
         "tries to run code"),
    FROM("code: in a later pickle of an older file", "bad/legacy_code_inside.pth", PIQUE_EFORMAT,
         "tries to run code"),
    FROM("code: in the list of keys", "bad/legacy_code_keys.pth", PIQUE_EFORMAT,
         "tries to run code"),
    FROM("code: a plain pickle of another ending", "bad/legacy_code.pth", PIQUE_EFORMAT,
         "tries to run code"),
    FROM("code: a loader that loads", "bad/code_torch.load.pth", PIQUE_EFORMAT,
         "tries to run code"),
    FROM("code: a helper of a library", "bad/code_numpy.testing._private.utils.runstring.pth",
         PIQUE_EFORMAT, "tries to run code"),
    /* values of a kind that an instruction does not expect */
    FROM("type: a key for what is no dictionary", "bad/tensor_setitem.pth", PIQUE_EFORMAT,
         "used as a dictionary"),
    FROM("type: an item for what is no list", "bad/tensor_append.pth", PIQUE_EFORMAT,
         "used as a dictionary"),
    FROM("type: a key for a parameter", "bad/parameter_setitem.pth", PIQUE_EFORMAT,
         "used as a dictionary"),
    /* a storage and its description */
    FROM("storage: shorter than described", "bad/storage_short.pth", PIQUE_EFORMAT, "does not fit"),
    FROM("storage: of another type", "bad/storage_type.pth", PIQUE_EFORMAT, "does not fit"),
    FROM("storage: two descriptions", "bad/storage_twice.pth", PIQUE_EFORMAT, "two things"),
    FROM("storage: a path as its key", "bad/storage_path.pth", PIQUE_EFORMAT, "is missing"),
    MAKE("storage: a size that wraps", tensor_storage_lies, PIQUE_EFORMAT,
         "more bytes than the file"),
    /* two readers, two files */
    FROM("zip: two entries of one name", "bad/duplicate.pth", PIQUE_EFORMAT, "one name"),
    FROM("zip: names that differ in case", "bad/capitals.pth", PIQUE_EFORMAT, "one name"),
    FROM("zip: only a name in capitals", "bad/only_capitals.pth", PIQUE_EUNSUPPORTED,
         "not one of PyTorch"),
    FROM("zip: local and central names differ", "bad/local_name.pth", PIQUE_EFORMAT, "two names"),
    FROM("zip: local and central sizes differ", "bad/local_size.pth", PIQUE_EFORMAT, "two things"),
    FROM("zip: local and central methods differ", "bad/local_deflated.pth", PIQUE_EFORMAT,
         "kind of an entry"),
    FROM("zip: a bit that says encrypted", "bad/central_encrypted.pth", PIQUE_EUNSUPPORTED,
         "encrypted"),
    FROM("zip: a wrong sum", "bad/bad_crc.pth", PIQUE_EFORMAT, "checksum"),
    FROM("zip: data behind the end", "bad/appended.pth", PIQUE_EFORMAT, "end record"),
    FROM("zip: data before the start", "bad/prepended.pth", PIQUE_EFORMAT, "zip"),
    FROM("zip: two end records", "bad/two_archives.pth", PIQUE_EFORMAT, "zip"),
    FROM("zip: a comment that hides an archive", "bad/real_comment.pth", PIQUE_EFORMAT,
         "does not end with"),
    FROM("zip: 64-bit end record that disagrees", "bad/end64_offset.pth", PIQUE_EFORMAT,
         "different things"),
    FROM("zip: a descriptor that disagrees", "bad/descriptor.pth", PIQUE_EFORMAT,
         "belong to nobody"),
    FROM("zip: a directory that counts too few", "bad/end32_fewer.pth", PIQUE_EFORMAT,
         "more in its directory"),
    FROM("zip: a name with a zero byte", "bad/central_name_zero.pth", PIQUE_EFORMAT, "zero bytes"),
    MAKE("zip: as many entries as can be counted", zip_entries, PIQUE_EUNSUPPORTED,
         "not one of PyTorch"),
    MAKE("polyglot: an archive behind a safetensors file", text_and_binary, PIQUE_EFORMAT,
         "belong to no tensor"),
    /* numbers that overflow, then memory that is written or read beyond its end */
    MAKE("overflow: strides", tensor_wraps, PIQUE_EFORMAT, "beyond"),
    MAKE("overflow: an offset", tensor_offset_wraps, PIQUE_EFORMAT, "beyond"),
    FROM("overflow: a shape", "bad/tensor_overflow.pth", PIQUE_EFORMAT, "larger than any memory"),
    FROM("negative: a stride", "bad/tensor_negative_stride.pth", PIQUE_EFORMAT, "numbers"),
    FROM("negative: an offset", "bad/tensor_negative_offset.pth", PIQUE_EFORMAT, "numbers"),
    ST("overflow: a shape",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[65536,65536,65536,65536],\"data_offsets\":[0,4]}}", 4,
       "does not fit"),
    ST("overflow: a dimension of 2^63",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,4]}}", 4,
       "JSON"),
    ST("overflow: an offset of 2^64 - 4",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,0]}}", 4,
       "JSON"),
    ST("negative: a dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
       4, "dimension"),
    ST("negative: an offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}",
       4, "data_offsets"),
    ST("read beyond: an offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
       4, "ends at byte 8"),
    ST("read beyond: end before begin",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets"),
    MAKE("count: a header of 2^63 bytes", st_header_2_63, PIQUE_EFORMAT, "header should have"),
    MAKE("count: a header of 2^64 - 1 bytes", st_header_all, PIQUE_EFORMAT, "header should have"),
    MAKE("count: a header of 2^32 bytes", st_header_4g, PIQUE_EFORMAT, "header should have"),
    /* safetensors: readers that see different tensors */
    ST("twice: a name",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\","
       "\"shape\":[1],\"data_offsets\":[4,8]}}",
       8, "one name twice"),
    ST("twice: a field",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
       "one name twice"),
    ST("overlap: two tensors",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\","
       "\"shape\":[1],\"data_offsets\":[4,8]}}",
       8, "starts at byte 4"),
    ST("hole: bytes of nobody", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
       8, "starts at byte 4"),
    ST("hole: bytes behind the last",
       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
       "belong to no tensor"),
    ST("name: a terminal's escape",
       "{\"\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
       "control characters"),
    ST("name: a zero byte",
       "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "JSON"),
    ST("name: none", "{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "empty"),
    ST("type: a dtype that moves the cursor",
       "{\"a\":{\"dtype\":\"\\u001b[2J\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"),
    /* ncnn: indices, counts and parameters that were believed elsewhere */
    PARAM("index: a parameter beyond the table", "2 2\nInput i 0 1 a\nReLU r 1 1 a b 32=1\n", 4,
          PIQUE_EFORMAT, "0 to 31"),
    PARAM("index: a negative parameter", "2 2\nInput i 0 1 a\nReLU r 1 1 a b -1=1\n", 4,
          PIQUE_EFORMAT, "line 4"),
    PARAM("index: a blob that nobody makes", "2 2\nInput i 0 1 a\nReLU r 1 1 x b\n", 4,
          PIQUE_EFORMAT, "which no layer"),
    PARAM("count: negative inputs", "2 2\nInput i 0 1 a\nReLU r -1 1 a b\n", 4, PIQUE_EFORMAT,
          "count of blobs"),
    PARAM("count: negative layers", "-1 2\nInput i 0 1 a\n", 4, PIQUE_EFORMAT, ""),
    PARAM("count: layers that are not there", "2147483647 2147483647\nInput i 0 1 a\n", 4,
          PIQUE_EFORMAT, ""),
    PARAM("count: an array", "2 2\nInput i 0 1 a\nReLU r 1 1 a b -23300=2147483647,1\n", 4,
          PIQUE_EFORMAT, "array"),
    PARAM("count: a negative array", "2 2\nInput i 0 1 a\nReLU r 1 1 a b -23300=-1,1\n", 4,
          PIQUE_EFORMAT, "array"),
    PARAM("divided by: no outputs",
          "2 2\nInput i 0 1 a\nConvolution c 1 1 a b 0=0 1=3 4=1 5=1 6=27\n", 128, PIQUE_EFORMAT,
          ""),
    PARAM("divided by: no kernel",
          "2 2\nInput i 0 1 a\nConvolution c 1 1 a b 0=3 1=0 4=1 5=1 6=27\n", 128, PIQUE_EFORMAT,
          ""),
    PARAM("divided by: no stride",
          "2 2\nInput i 0 1 a\nConvolution c 1 1 a b 0=3 1=3 3=0 4=1 5=1 6=81\n", 400,
          PIQUE_EFORMAT, ""),
    PARAM("overflow: weights",
          "2 2\nInput i 0 1 a\nConvolution c 1 1 a b 0=4096 1=31 4=15 5=1 6=2147483647\n", 128,
          PIQUE_EFORMAT, ""),
    PARAM("overflow: data in memory",
          "2 2\nInput i 0 1 a\nMemoryData m 0 1 b 0=65536 1=65536 2=65536\n", 128,
          PIQUE_EUNSUPPORTED, ""),
    PARAM("overflow: a shuffle", "2 2\nInput i 0 1 a\nPixelShuffle p 1 1 a b 0=65536\n", 4,
          PIQUE_EUNSUPPORTED, ""),
    MAKE("count: outputs of a split", ncnn_split, PIQUE_EFORMAT, ""),
    RAW("binary: a .param of 28 bytes",
        "\x9d\x85\x76\0\1\0\0\0\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0",
        PIQUE_EUNSUPPORTED, "text form"),
    RAW("container: GGUF", "GGUF\3\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\1\0\0\0\0\0\0\0\0\0\0",
        PIQUE_EUNSUPPORTED, "GGUF"),
    /* ONNX: what its own test does with files beside a model is not repeated here */
    FROM("onnx: a loop", "onnx-bad/loop.onnx", PIQUE_EUNSUPPORTED, "cannot be run"),
    FROM("onnx: a node that reads itself", "onnx-bad/reads_itself.onnx", PIQUE_EFORMAT,
         "no node before"),
    FROM("onnx: two things of one name", "onnx-bad/two_of_a_name.onnx", PIQUE_EFORMAT,
         "two things"),
    FROM("onnx: constants that compute for ever", "onnx-bad/too_much_to_fold.onnx",
         PIQUE_EUNSUPPORTED, "too much to compute"),
    FROM("onnx: a shape that nothing can have", "onnx-bad/absurd_fold.onnx", 1, NULL),
    FROM("onnx: a size that nothing can have", "onnx-bad/absurd_scale.onnx", 1, NULL),
    /* bombs: a small file, and seconds or gigabytes */
    FROM("bomb: one storage, many tensors", "bad/tensor_bomb.pth", PIQUE_EFORMAT,
         "several times as large"),
    MAKE("bomb: one element, many times", tensor_repeats, PIQUE_EFORMAT, "several times as large"),
    FROM("bomb: a dictionary within itself", "bad/itself.pth", PIQUE_EFORMAT, "within itself"),
    MAKE("bomb: 2^40 ways to one dictionary", pickle_shared_dicts, PIQUE_EFORMAT,
         "more than any model"),
    MAKE("bomb: a memo of 2^31", pickle_memo, PIQUE_EFORMAT, "beyond all"),
    MAKE("bomb: a memo that grows", pickle_memo_grows, PIQUE_EFORMAT, "more steps"),
    MAKE("bomb: tuples within tuples", pickle_nested_tuples, PIQUE_EUNSUPPORTED, "no dictionary"),
    MAKE("bomb: tuples in both pickles of an older file", pickle_two, PIQUE_EFORMAT, NULL),
    MAKE("bomb: dictionaries without end", pickle_nested_dicts, PIQUE_EFORMAT, "one value"),
    MAKE("bomb: tuples that double", pickle_doubling, PIQUE_EFORMAT, NULL),
    MAKE("bomb: marks", pickle_marks, PIQUE_EFORMAT, "one value"),
    MAKE("bomb: a stack", pickle_stack, PIQUE_EFORMAT, "one value"),
    MAKE("bomb: one list", pickle_one_list, PIQUE_EUNSUPPORTED, "no dictionary"),
    MAKE("bomb: names", pickle_names, PIQUE_EFORMAT, NULL),
    MAKE("bomb: a number of 2^31 bytes", pickle_long, PIQUE_EFORMAT, "pickle"),
    MAKE("bomb: a text of 2^63 bytes", pickle_text_2_63, PIQUE_EFORMAT, "pickle"),
    MAKE("bomb: a frame of 2^64 bytes", pickle_frame, PIQUE_EFORMAT, "frame"),
    MAKE("bomb: JSON within JSON", st_nested, 1, NULL),
    MAKE("bomb: millions of JSON values", st_values, PIQUE_EUNSUPPORTED, "values"),
    MAKE("bomb: empty JSON objects", st_objects, PIQUE_EUNSUPPORTED, "at most"),
    MAKE("bomb: empty JSON arrays", st_arrays, 1, NULL),
    MAKE("bomb: metadata", st_metadata, 1, NULL),
    MAKE("bomb: objects, waifu2x", waifu2x_objects, PIQUE_EUNSUPPORTED, "objects"),
    MAKE("bomb: arrays, waifu2x", waifu2x_arrays, PIQUE_EUNSUPPORTED, NULL),
    MAKE("bomb: values, waifu2x", waifu2x_values, PIQUE_EUNSUPPORTED, "values"),
    MAKE("bomb: as many tensors as can be", st_many, 1, NULL),
    MAKE("bomb: one tensor more", st_too_many, PIQUE_EUNSUPPORTED, "at most"),
    MAKE("bomb: a network of hundreds of blocks", st_long_network, 1, NULL),
    MAKE("bomb: a network of thousands of layers", st_long_compact, 1, NULL),
    MAKE("bomb: words, ncnn", ncnn_words, 1, NULL),
    MAKE("bomb: lines, ncnn", ncnn_lines, 1, NULL),
    MAKE("bomb: nodes, ONNX", onnx_nodes, 1, NULL),
    MAKE("bomb: attributes, ONNX", onnx_attributes, 1, NULL),
    MAKE("bomb: inputs and outputs, ONNX", onnx_names, 1, NULL),
    MAKE("bomb: initializers, ONNX", onnx_initializers, 1, NULL),
    MAKE("bomb: thousands of layers, ncnn", ncnn_layers, PIQUE_EUNSUPPORTED, ""),
};

static void make(void *context, long i, struct hostile *out)
{
    const struct row *row = &rows[i];
    char path[4096];
    (void)context;
    out->code = row->code;
    out->says = row->says;
    switch (row->container) {
    case SAFETENSORS:
        wrap_safetensors(row->text, "0123456789abcdef", (size_t)row->data, &out->first);
        break;
    case NCNN:
        out->is_ncnn = true;
        bytes_text(&out->first, "%s", row->text);
        for (int k = 0; k < row->data; k++)
            bytes_add(&out->second, "", 1);
        break;
    case FOLDER:
        snprintf(path, sizeof path, "%s/%s", folder, row->text);
        out->first = bytes_load(path);
        break;
    case BYTES:
        bytes_add(&out->first, row->text, (size_t)row->data);
        break;
    default:
        row->make(out);
        break;
    }
}

static void name(void *context, long i, char *text, size_t size)
{
    (void)context;
    snprintf(text, size, "%s", rows[i].class);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: hostile_test FOLDER\n", stderr);
        return 64;
    }
    folder = argv[1];
    struct trial_sums s;
    long wrong = trial_all((long)PQ_COUNT(rows), 1, make, name, NULL, &s);
    printf("%ld attacks, %ld refused, %ld wrong; the slowest took %.3f s (%s), the most memory "
           "beside its file was %.1f MiB (%s)\n",
           s.tried, s.refused, wrong, s.slowest_open, rows[s.slowest_case].class,
           (double)s.most_memory / (1 << 20), rows[s.most_memory_case].class);
    return wrong != 0;
}
