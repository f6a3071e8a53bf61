/* SPDX-License-Identifier: MIT */
/* The manual page: roff with the man macros. What is about options and commands comes from the
 * tables, the rest stands here. */
#include <string.h>

#include "option/option.h"

/* Text for roff: no control line by accident, no dash turned into a hyphen. */
static void add_text(struct pq_str *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        pq_str_add(out, "\\&");
    for (const char *s = text; *s; s++) {
        if (*s == '-')
            pq_str_add(out, "\\-");
        else if (*s == '\\')
            pq_str_add(out, "\\e");
        else
            pq_str_add_n(out, s, 1);
    }
}

static void add_option(struct pq_str *out, const struct pq_option *option)
{
    pq_str_add(out, ".TP\n");
    if (option->letter)
        pq_str_printf(out, "\\fB\\-%c\\fR, ", option->letter);
    pq_str_add(out, "\\fB\\-\\-");
    add_text(out, option->name);
    pq_str_add(out, "\\fR");
    if (option->value) {
        pq_str_add(out, " \\fI");
        add_text(out, option->value);
        pq_str_add(out, "\\fR");
    }
    pq_str_add(out, "\n");
    add_text(out, option->help);
    pq_str_add(out, ".\n");
    if (option->detail) {
        add_text(out, option->detail);
        pq_str_add(out, "\n");
    }
    if (option->fallback) {
        pq_str_add(out, "Default: ");
        add_text(out, option->fallback);
        pq_str_add(out, ".\n");
    }
}

static void add_options(struct pq_str *out)
{
    pq_str_add(out, ".SH OPTIONS\n");
    for (int group = 0; group < PQ_GROUP_COUNT; group++) {
        pq_str_printf(out, ".SS %s\n", pq_option_group_name((enum pq_option_group)group));
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if ((int)pq_option_table[i].group == group)
                add_option(out, &pq_option_table[i]);
        }
    }
}

static void add_commands(struct pq_str *out)
{
    pq_str_add(out, ".SH COMMANDS\n"
                    "Without one of these words pique upscales what is named. A file that is "
                    "called like a command is written ./models.\n");
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const struct pq_command *c = &pq_commands[i];
        if (i == PQ_CMD_RUN || pq_commands[i].hidden)
            continue;
        pq_str_printf(out, ".TP\n\\fBpique %s\\fR", c->words);
        if (*c->operands) {
            pq_str_add(out, " \\fI");
            add_text(out, c->operands);
            pq_str_add(out, "\\fR");
        }
        pq_str_add(out, "\n");
        add_text(out, c->help);
        pq_str_add(out, ".\n");
    }
}

static const char naming[] =
    ".SH INPUTS AND OUTPUTS\n"
    "A named file is always tried. In a folder, and in the folders inside it, files whose suffix "
    "is that of a picture or a film are taken, in the order of their names; hidden files, __MACOSX "
    "and the "
    "like are left out, links that lead in a circle end, and an output folder that lies inside an "
    "input folder is not read.\n"
    ".PP\n"
    "The tree of a folder is mirrored under the output folder: with one input, its content "
    "stands directly there; with several, each folder has a folder of its name.\n"
    ".PP\n"
    "Only the last suffix of a name is replaced: my.photo.jpg becomes my.photo.png. Where two "
    "inputs of a run would be written to one name, all of them keep their suffix in it: a.png and "
    "a.jpg become a_png.png and a_jpg.png. Where that is not enough, the name of the input's "
    "folder comes first, and then a number made from its path. An input is never replaced.\n"
    ".PP\n"
    "A film becomes a film of the same container where that can be written (mp4, mkv, mov, webm, "
    "y4m), and else an mkv; \\-f or the suffix of -o says otherwise. A picture format, or a name "
    "with %06d in it, makes numbered pictures; f%05d.png as an input is a film of numbered "
    "pictures. A GIF, WebP or PNG that moves is a film where a film is to be written, and else its "
    "first picture. While a film is made a folder OUTPUT.job stands beside it; interrupted in "
    "whatever way, the same command, or pique resume, goes on from there.\n"
    ".PP\n"
    "A single - reads standard input or writes standard output. Where standard output is not a "
    "terminal, the names of the written files are printed there.\n";

static const char events[] =
    ".SH JSON EVENTS\n"
    "With \\fB\\-\\-json\\fR every line of standard output is an object with a member "
    "\\fIevent\\fR. Members may be added later; those that are here keep their meaning as long as "
    "\\fIschema\\fR is 1. Bytes of a name that are not UTF\\-8 become U+FFFD.\n"
    ".TP\n.B start\nschema, version, files, models (each path, architecture, scale; in the "
    "order in which a picture goes through them), model (the first of them), scale of all "
    "together.\n"
    ".TP\n.B engine\ndevice, numeric_key: the same key, model and options give the same bits.\n"
    ".TP\n.B progress\nfile (from 1), input, rows_done, rows_total, seconds_left for the whole "
    "run; at most four a second.\n"
    ".TP\n.B file_done\nfile, input, output, in_width, in_height, out_width, out_height, format, "
    "depth, passes, retries, approximate, bytes, hash of the pixels, seconds. Of a film all that "
    "film_planned has, and frames, unique, reused, inferences, segments, segments_kept, "
    "journal_frames, retries, approximate, not_kept, bytes, hash, seconds, stage_seconds.\n"
    ".TP\n.B file_failed\nfile, input, output, status such as EFORMAT, message.\n"
    ".TP\n.B file_skipped\nfile, input, output, reason.\n"
    ".TP\n.B file_planned\nof \\-\\-dry\\-run: file, input, output, in_width, in_height.\n"
    ".TP\n.B film_planned\nbefore a film: file, input, output, in_width, in_height, out_width, "
    "out_height, frames_expected, fps, container, encoder, pixel_format, batch, passes, journal, "
    "seconds_expected, memory_bytes, disk_bytes, disk_free, output_bytes_expected.\n"
    ".TP\n.B frames\nof a film: file, input, done, total; at most four a second.\n"
    ".TP\n.B saved\nanother process can read these frames: file, input, batch (from 1), frames, "
    "first (from 0).\n"
    ".TP\n.B sealed\na segment that is never made again: file, input, segment (from 0), frames.\n"
    ".TP\n.B note\ntext, and file and input where it is about one.\n"
    ".TP\n.B error\nstatus, message: a failure that ends the run.\n"
    ".TP\n.B end\ndone, failed, skipped, seconds, exit.\n";

static const char ending[] =
    ".SH EXIT STATUS\n"
    "A file that fails does not stop the others; the first failure decides.\n"
    ".TP\n.B 0\nEverything asked for was done.\n"
    ".TP\n.B 2\nThe command line makes no sense.\n"
    ".TP\n.B 65\nA picture or a model is damaged or of a kind that cannot be read.\n"
    ".TP\n.B 66\nAn input does not exist, or a folder holds no picture and no film.\n"
    ".TP\n.B 69\nA device or a model is not available.\n"
    ".TP\n.B 70\nA defect of pique.\n"
    ".TP\n.B 73\nAn output cannot be created, or exists.\n"
    ".TP\n.B 74\nReading or writing failed.\n"
    ".TP\n.B 75\nThe disk or the memory is full. Make room and run the same command with "
    "\\-\\-skip\\-existing.\n"
    ".TP\n.B 130\nInterrupted. What was finished stays; no output is left half-written, and an "
    "unfinished "
    "film goes on with pique resume.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B PIQUE_MODELS\nFolder of the models. Otherwise $XDG_DATA_HOME/pique/models, and "
    "otherwise ~/.local/share/pique/models.\n"
    ".TP\n.B XDG_CACHE_HOME\nIts folder pique holds what was found in models and the speeds that "
    "were measured; it may be removed. Otherwise ~/.cache.\n"
    ".TP\n.B NO_COLOR\nMessages are not coloured.\n"
    ".TP\n.B TMPDIR\nFolder for what does not fit in memory.\n"
    ".SH EXAMPLES\n"
    ".TP\npique drawing.png\nWrites drawing_x4.png beside it.\n"
    ".TP\npique photos/ \\-o big/ \\-\\-fit 3840x2160 \\-f webp\nMirrors a folder for a 4K "
    "screen.\n"
    ".TP\npique film.mkv \\-s 2 \\-\\-codec h265\nWrites film_x2.mkv with its sound, subtitles, "
    "fonts and chapters.\n"
    ".TP\npique preview film.mkv \\-\\-at 1:30 \\-\\-crop 400x300\nShows what a piece of one frame "
    "becomes, before all of it is computed.\n"
    ".TP\npique compare photo.jpg \\-m a.pth,b.pth,denoise.pth+b.pth\nWrites photo_compare.png: a "
    "piece of the picture as each of the three makes it, and a list of what each took.\n"
    ".TP\ncurl \\-s URL | pique \\- \\-o \\- \\-s 2 > out.png\nWorks in a pipe.\n";

void pq_option_man(struct pq_str *out, const char *version)
{
    pq_str_printf(out, ".TH PIQUE 1 \"\" \"pique %s\" \"User Commands\"\n", version);
    pq_str_add(out, ".SH NAME\npique \\- upscale pictures and films with neural networks\n"
                    ".SH SYNOPSIS\n.B pique\n[\\fIOPTION\\fR ...] \\fIFILE\\fR|\\fIFOLDER\\fR|\\- "
                    "... [\\fB\\-o\\fR \\fIFILE\\fR|\\fIFOLDER\\fR|\\-]\n");
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (i == PQ_CMD_RUN || pq_commands[i].hidden)
            continue;
        pq_str_printf(out, ".br\n.B pique %s\n", pq_commands[i].words);
        if (*pq_commands[i].operands) {
            pq_str_add(out, "\\fI");
            add_text(out, pq_commands[i].operands);
            pq_str_add(out, "\\fR\n");
        }
    }
    pq_str_add(out, ".SH DESCRIPTION\n"
                    "pique enlarges pictures with the super-resolution models that people already "
                    "have. Every pixel is computed as if the whole picture had gone through the "
                    "network at once, and the result depends on the picture, the model and the "
                    "settings alone: not on threads, memory or processor.\n");
    pq_str_add(out, naming);
    add_options(out);
    add_commands(out);
    pq_str_add(out, events);
    pq_str_add(out, ending);
}
