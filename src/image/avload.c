/* SPDX-License-Identifier: MIT */
/* BMP and PNM, which libvips would read with code that it calls untrusted: libavcodec decodes them.
 * The picture is whole in memory, which its file justifies, since neither compresses much. */
#include <ctype.h>
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#include "base/alloc.h"
#include "image/compat.h"
#include "image/picture.h"

struct av_picture {
    struct pq_picture base; /* first */
    char *name;
    AVFrame *frame;
    const AVPixFmtDescriptor *desc;
    uint16_t *line; /* one component of a row */
    int next_row;
};

/* ---- sizes that the file claims ---- */

struct claim {
    int64_t width, height;
    uint64_t bytes; /* that the pixels take in the file, at least */
};

static uint32_t le32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool bmp_claim(const unsigned char *data, size_t size, struct claim *claim)
{
    enum { RGB = 0, RLE8 = 1, RLE4 = 2 };
    if (size < 26)
        return false;
    bool old = le32(data + 14) == 12; /* OS/2 1.x: 16-bit sizes */
    if (!old && size < 54)
        return false;
    claim->width = old ? data[18] | data[19] << 8 : (int32_t)le32(data + 18);
    claim->height = old ? data[20] | data[21] << 8 : (int32_t)le32(data + 22);
    if (claim->height < 0)
        claim->height = -claim->height; /* rows from the top */
    const unsigned char *bits_at = data + (old ? 24 : 28);
    uint64_t bits = bits_at[0] | (uint64_t)bits_at[1] << 8;
    uint32_t compression = old ? RGB : le32(data + 30);
    if (claim->width < 1 || claim->height < 1)
        return true; /* refused by the caller, with the size */
    /* Rows are padded to four bytes, the last too: where that lacks, libavcodec takes the rows for
     * unpadded. With run lengths a row may be two bytes: nothing here. */
    uint64_t stride = ((uint64_t)claim->width * bits + 31) / 32 * 4;
    if (compression != RLE8 && compression != RLE4)
        claim->bytes = le32(data + 10) + stride * (uint64_t)claim->height;
    return bits <= 32;
}

/* The next number of a PNM header; # begins a comment. */
static bool pnm_number(const unsigned char *data, size_t size, size_t *at, int64_t *value)
{
    while (*at < size && (isspace(data[*at]) || data[*at] == '#')) {
        if (data[*at] == '#') {
            while (*at < size && data[*at] != '\n')
                (*at)++;
        } else {
            (*at)++;
        }
    }
    size_t first = *at;
    *value = 0;
    while (*at < size && isdigit(data[*at]) && *value < INT32_MAX)
        *value = *value * 10 + (data[(*at)++] - '0');
    return *at > first;
}

/* "WIDTH 4\nHEIGHT 2\n...": the number after a word of a PAM header. */
static bool pam_number(const unsigned char *data, size_t size, const char *word, int64_t *value)
{
    const unsigned char *end = memmem(data, size, "ENDHDR", 6);
    const unsigned char *p = end ? memmem(data, (size_t)(end - data), word, strlen(word)) : NULL;
    if (!p)
        return false;
    size_t at = (size_t)(p - data) + strlen(word);
    return pnm_number(data, (size_t)(end - data), &at, value);
}

/* How many numbers (P2, P3) or digits (P1) follow, but no more than asked for. */
static bool has_text_samples(const unsigned char *data, size_t size, size_t at, bool digits,
                             uint64_t wanted)
{
    bool inside = false;
    for (; wanted && at < size; at++) {
        bool digit = isdigit(data[at]) != 0;
        if (digit && (digits || !inside))
            wanted--;
        inside = digit;
    }
    return wanted == 0;
}

static bool pnm_claim(const unsigned char *data, size_t size, struct claim *claim)
{
    char type = (char)data[1];
    int64_t maxval = 1, depth = type == '3' || type == '6' ? 3 : 1;
    size_t at = 2;
    if (type == '7') {
        if (!pam_number(data, size, "WIDTH", &claim->width) ||
            !pam_number(data, size, "HEIGHT", &claim->height) ||
            !pam_number(data, size, "DEPTH", &depth) ||
            !pam_number(data, size, "MAXVAL", &maxval) || depth < 1 || depth > 4)
            return false;
    } else if (!pnm_number(data, size, &at, &claim->width) ||
               !pnm_number(data, size, &at, &claim->height) ||
               (type != '1' && type != '4' && !pnm_number(data, size, &at, &maxval))) {
        return false;
    }
    if (claim->width < 1 || claim->height < 1 || claim->width > VIPS_MAX_COORD ||
        claim->height > VIPS_MAX_COORD)
        return true; /* refused by the caller, with the size */
    if (maxval < 1 || maxval > 65535)
        return false;
    uint64_t w = (uint64_t)claim->width, h = (uint64_t)claim->height;
    uint64_t samples = w * h * (uint64_t)depth;
    claim->bytes = type == '4' ? (w + 7) / 8 * h : samples * (maxval > 255 ? 2 : 1);
    if (type <= '3') {
        claim->bytes = type == '1' ? samples : samples * 2 - 1;
        return claim->bytes > size || has_text_samples(data, size, at, type == '1', samples);
    }
    return true;
}

static int check_claim(const struct pq_input *in, const unsigned char *data, pique_error *err)
{
    struct claim claim = {0};
    size_t size = (size_t)in->size;
    bool sound =
        in->kind == PQ_KIND_BMP ? bmp_claim(data, size, &claim) : pnm_claim(data, size, &claim);
    if (!sound)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: damaged %s picture: its header makes no sense or "
                       "it ends too early",
                       in->name, pq_kind_name(in->kind));
    int rc = pq_check_extent(in, claim.width, claim.height, 8, true, err);
    if (!rc && claim.bytes > size)
        rc =
            pq_fail(err, PIQUE_EFORMAT,
                    "%s: damaged %s picture: %" PRId64 "x%" PRId64 " pixels take %" PRIu64
                    " bytes, the file has %zu",
                    in->name, pq_kind_name(in->kind), claim.width, claim.height, claim.bytes, size);
    return rc;
}

/* ---- decoding ---- */

/* The whole file into a new packet. */
static int read_file(struct pq_input *in, AVPacket *packet, pique_error *err)
{
    int64_t at;
    size_t have = 0, size = (size_t)in->size;
    if (in->size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %s pictures above 2 GiB are not supported",
                       in->name, pq_kind_name(in->kind));
    if (av_new_packet(packet, (int)size) != 0)
        return pq_fail_nomem(err, size);
    int rc = pq_file_seek(&in->file, 0, SEEK_SET, &at, err);
    while (!rc && have < size) {
        size_t got;
        rc = pq_file_read(&in->file, packet->data + have, size - have, &got, err);
        if (!rc && got == 0)
            rc = pq_fail(err, PIQUE_EIO, "%s: the file became shorter while it was read", in->name);
        have += got;
    }
    return rc;
}

static int decode(struct pq_input *in, const AVPacket *packet, AVFrame *frame, pique_error *err)
{
    static const enum AVCodecID pnm_codecs[] = {AV_CODEC_ID_PBM, AV_CODEC_ID_PGM, AV_CODEC_ID_PPM};
    enum AVCodecID id = in->kind == PQ_KIND_BMP  ? AV_CODEC_ID_BMP
                        : packet->data[1] == '7' ? AV_CODEC_ID_PAM
                                                 : pnm_codecs[(packet->data[1] - '1') % 3];
    const AVCodec *codec = avcodec_find_decoder(id);
    if (!codec)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this build of libavcodec cannot read %s",
                       in->name, pq_kind_name(in->kind));
    AVCodecContext *context = avcodec_alloc_context3(codec);
    int rc = context ? 0 : AVERROR(ENOMEM);
    if (!rc) {
        context->log_level_offset = 1000; /* nothing to the terminal of whoever uses the library */
        context->thread_count = 1;
        context->err_recognition = AV_EF_EXPLODE;
        rc = avcodec_open2(context, codec, NULL);
    }
    if (!rc)
        rc = avcodec_send_packet(context, packet);
    if (rc >= 0)
        rc = avcodec_receive_frame(context, frame);
    if (rc >= 0 && (frame->flags & AV_FRAME_FLAG_CORRUPT))
        rc = AVERROR_INVALIDDATA;
    avcodec_free_context(&context);
    if (rc == AVERROR(ENOMEM))
        return pq_fail(err, PIQUE_ENOMEM, "%s: out of memory", in->name);
    if (rc == AVERROR_PATCHWELCOME || rc == AVERROR(ENOSYS))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this variety of %s is not supported", in->name,
                       pq_kind_name(in->kind));
    if (rc < 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: damaged %s picture", in->name,
                       pq_kind_name(in->kind));
    return 0;
}

/* ---- the row source ---- */

/* One component of a row into p->line; the largest value it can have. */
static uint32_t get_component(const struct av_picture *p, int c, int y)
{
    const AVFrame *frame = p->frame;
    bool palette = (p->desc->flags & AV_PIX_FMT_FLAG_PAL) != 0;
    int width = p->base.source.format.width;
    av_read_image_line2(p->line, (const uint8_t **)frame->data, frame->linesize, p->desc, 0, y,
                        palette ? 0 : c, width, 0, sizeof *p->line);
    /* 256 entries 0xAARRGGBB in native order. */
    const uint32_t *entries = (const uint32_t *)(const void *)frame->data[1];
    for (int x = 0; palette && x < width; x++)
        p->line[x] = entries[p->line[x] & 255] >> (16 - 8 * c) & 255;
    return (1u << (palette ? 8 : p->desc->comp[c].depth)) - 1;
}

/* One component of a row, scaled from its own depth to 8 or 16 bits, rounded to nearest. */
static void put_component(const struct av_picture *p, int c, int y, void *row)
{
    const struct pq_picture_format *f = &p->base.source.format;
    int planes = f->colours + f->alpha;
    uint32_t from = get_component(p, c, y), to = f->depth == 16 ? 65535 : 255;
    bool inverted = p->frame->format == AV_PIX_FMT_MONOWHITE;
    for (int x = 0; x < f->width; x++) {
        uint32_t value = inverted ? from - p->line[x] : p->line[x];
        if (from != to)
            value = (uint32_t)(((uint64_t)value * to + from / 2) / from);
        size_t i = (size_t)x * (size_t)planes + (size_t)c;
        if (f->depth == 16)
            ((uint16_t *)row)[i] = (uint16_t)value;
        else
            ((uint8_t *)row)[i] = (uint8_t)value;
    }
}

static int av_read(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                   pique_error *err)
{
    struct av_picture *p = (struct av_picture *)source;
    if (rows < 0 || rows > source->format.height - p->next_row)
        return pq_fail(err, PIQUE_EINVAL, "%s: rows beyond the end are asked for", p->name);
    int planes = source->format.colours + source->format.alpha;
    for (int y = 0; y < rows; y++) {
        for (int c = 0; c < planes; c++)
            put_component(p, c, p->next_row + y, (char *)data + y * stride);
    }
    p->next_row += rows;
    return 0;
}

static int av_rewind(struct pq_row_source *source, pique_error *err)
{
    ((struct av_picture *)source)->next_row = 0;
    return 0;
}

static void av_close(struct pq_row_source *source)
{
    struct av_picture *p = (struct av_picture *)source;
    av_frame_free(&p->frame);
    g_clear_object(&p->base.meta);
    pq_free(p->line);
    pq_free(p->name);
    pq_free(p);
}

/* Which rows a decoded frame gives; false where its samples are none of ours. */
static bool describe(struct av_picture *p)
{
    p->desc = av_pix_fmt_desc_get(p->frame->format);
    if (!p->desc || (p->desc->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_HWACCEL)))
        return false;
    bool rgb = (p->desc->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
    if (!rgb && p->desc->nb_components > 2)
        return false; /* YUV */
    struct pq_picture_format *f = &p->base.source.format;
    /* The fourth byte of a palette entry is padding in a BMP. */
    bool alpha =
        (p->desc->flags & AV_PIX_FMT_FLAG_ALPHA) && !(p->desc->flags & AV_PIX_FMT_FLAG_PAL);
    *f = (struct pq_picture_format){.width = p->frame->width,
                                    .height = p->frame->height,
                                    .colours = rgb ? 3 : 1,
                                    .alpha = alpha,
                                    .depth = p->desc->comp[0].depth > 8 ? 16 : 8};
    pique_picture_info *info = &p->base.source.info;
    info->width = f->width;
    info->height = f->height;
    info->colours = f->colours;
    info->alpha = f->alpha;
    info->depth = f->depth;
    info->orientation = info->frames = 1;
    return p->desc->comp[0].depth <= 16;
}

/* The size of the file in a BMP is often 0 or wrong, and everybody but libavcodec ignores it. */
static void mend_bmp_size(const struct pq_input *in, unsigned char *data)
{
    for (int i = 0; in->kind == PQ_KIND_BMP && in->size > 6 && i < 4; i++)
        data[2 + i] = (unsigned char)(in->size >> 8 * i);
}

static int load(struct av_picture *p, struct pq_input *in, pique_error *err)
{
    AVPacket *packet = av_packet_alloc();
    p->frame = av_frame_alloc();
    int rc = packet && p->frame ? read_file(in, packet, err) : pq_fail_nomem(err, sizeof *packet);
    if (!rc)
        rc = check_claim(in, packet->data, err);
    if (!rc) {
        mend_bmp_size(in, packet->data);
        rc = decode(in, packet, p->frame, err);
    }
    av_packet_free(&packet);
    if (!rc && !describe(p))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this variety of %s is not supported", in->name,
                     pq_kind_name(in->kind));
    if (!rc) {
        p->line = pq_malloc((size_t)p->frame->width * sizeof *p->line);
        p->name = pq_strdup(in->name);
        if (!p->line || !p->name)
            rc = pq_fail_nomem(err, (size_t)p->frame->width * sizeof *p->line);
    }
    return rc;
}

int pq_av_load(struct pq_input *in, struct pq_picture **out, pique_error *err)
{
    *out = NULL;
    struct av_picture *p = pq_calloc(1, sizeof *p);
    int rc = p ? 0 : pq_fail_nomem(err, sizeof *p);
    if (!rc) {
        p->base.source.read = av_read;
        p->base.source.rewind = av_rewind;
        p->base.source.close = av_close;
        rc = load(p, in, err);
        if (rc)
            av_close(&p->base.source);
        else
            *out = &p->base;
    }
    pq_input_close(in);
    return rc;
}
