/* SPDX-License-Identifier: MIT */
/* What a film is found to be, and which frames come out of it when. */
#include "films.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

#define SCENE "-f lavfi -i testsrc2=s=160x120:r=25:d=2"

static struct frame_list list;

static pique_film_info info_of(const char *path)
{
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    const pique_film_info info = s->facts.info;
    s->close(s);
    return info;
}

static const struct frame_list *frames_of(const struct pq_film_read *read)
{
    struct pq_film_source *s = open_film(read);
    read_all(s, &list);
    s->close(s);
    return &list;
}

static void facts_are_those_of_the_film(void **state)
{
    const char *path =
        make_film("facts.mkv", SCENE " -f lavfi -i sine=d=2 -c:v libx264 -pix_fmt yuv420p10le"
                                     " -colorspace bt2020nc -color_primaries bt2020"
                                     " -color_trc smpte2084 -color_range tv -vf setsar=4/3");
    const pique_film_info i = info_of(path);
    assert_string_equal(i.container, "matroska");
    assert_string_equal(i.codec, "h264");
    assert_int_equal(i.width, 160);
    assert_int_equal(i.height, 120);
    assert_int_equal(i.sar_num * 3, i.sar_den * 4);
    assert_int_equal(i.fps_num, 25 * i.fps_den);
    assert_int_equal(i.depth, 10);
    assert_int_equal(i.frames, 50);
    assert_true(i.hdr);
    assert_false(i.alpha || i.interlaced);
    assert_int_equal(i.audio, 1);
    assert_int_equal(frames_of(&(struct pq_film_read){.path = path})->count, 50);
}

static void times_are_those_of_ffprobe(void **state)
{
    static const char *const films[] = {
        "vfr.mkv", "-vf \"select='not(mod(n,3))+not(mod(n,7))'\" -vsync vfr -c:v libx264",
        "late.ts", "-c:v libx264 -output_ts_offset 3.3",
        "b.mp4",   "-c:v libx264 -bf 3"};
    for (size_t i = 0; i < sizeof films / sizeof *films; i += 2) {
        const char *path = make_film(films[i], SCENE " %s", films[i + 1]);
        char command[512], line[64];
        snprintf(command, sizeof command,
                 "ffprobe -v error -select_streams v -show_entries frame=best_effort_timestamp "
                 "-of csv=p=0 '%s'",
                 path);
        frames_of(&(struct pq_film_read){.path = path});
        FILE *probe = popen(command, "r");
        assert_non_null(probe);
        int n = 0;
        for (; fgets(line, sizeof line, probe); n++) {
            if (line[0] < '0' || line[0] > '9') {
                n--;
                continue;
            }
            assert_true(n < list.count);
            assert_int_equal(list.pts[n], atoll(line));
        }
        assert_int_equal(pclose(probe), 0);
        assert_int_equal(n, list.count);
    }
}

/* Red above on the left, green on its right, blue below. */
#define CORNERS                                                                                    \
    "-f lavfi -i color=red:s=32x32:r=5:d=1 -f lavfi -i color=lime:s=48x32:r=5:d=1 -f lavfi -i "    \
    "color=blue:s=80x16:r=5:d=1 -filter_complex \"[0][1]hstack[a];[a][2]vstack,format=yuv444p\" "

static char corner(const struct pq_image *im, int x, int y)
{
    const unsigned r = sample(im, 0, x, y), g = sample(im, 1, x, y), b = sample(im, 2, x, y);
    const unsigned half = im->depth == 8 ? 128 : 32768;
    return (char)(r > half ? 'r' : g > half ? 'g' : b > half ? 'b' : '?');
}

static void rotation_is_applied(void **state)
{
    static const struct {
        int degrees;         /* against the clock, as this ffmpeg writes them */
        const char *corners; /* seen: above left and right, below left and right */
    } turns[] = {{0, "rgbb"}, {90, "gbrb"}, {180, "bbgr"}, {270, "brbg"}};
    for (int i = 0; i < 4; i++) {
        const char *flat = make_film("flat.mp4", CORNERS "-c:v libx264 -qp 10 -bf 0");
        char name[32], corners[5] = "";
        snprintf(name, sizeof name, "turned%d.mp4", turns[i].degrees);
        const char *path =
            make_film(name, "-i '%s' -c copy -metadata:s:v rotate=%d", flat, turns[i].degrees);
        struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
        const int w = s->facts.info.width, h = s->facts.info.height;
        assert_int_equal(w, i % 2 ? 48 : 80);
        assert_int_equal(h, i % 2 ? 80 : 48);
        struct pq_image im = next_picture(s, false);
        corners[0] = corner(&im, 3, 3);
        corners[1] = corner(&im, w - 4, 3);
        corners[2] = corner(&im, 3, h - 4);
        corners[3] = corner(&im, w - 4, h - 4);
        assert_string_equal(corners, turns[i].corners);
        free_picture(&im);
        s->close(s);
    }
}

static void rgb_of_8_bits_comes_bit_for_bit(void **state)
{
    const char *path = make_film("rgb.mkv", SCENE " -pix_fmt bgr0 -c:v ffv1");
    const char *raw = make_film("rgb.raw", "-i '%s' -frames:v 1 -pix_fmt gbrp -f rawvideo", path);
    size_t size;
    unsigned char *data = get_file(raw, &size);
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    assert_int_equal(s->facts.rgb_depth, 8);
    struct pq_image im = next_picture(s, false);
    for (int p = 0; p < 3; p++)
        assert_memory_equal(im.data[p], data + (p + 2) % 3 * 160 * 120, 160 * 120);
    free_picture(&im);
    free(data);
    s->close(s);
}

static void alpha_is_kept_where_it_is_wanted(void **state)
{
    static const char *const films[] = {
        "alpha.mov",  "-c:v prores_ks -pix_fmt yuva444p10le",
        "alpha.mkv",  "-c:v ffv1 -pix_fmt bgra",
        "alpha.gif",  ",split[a][b];[a]palettegen[p];[b][p]paletteuse",
        "alpha.apng", "-plays 0",
        "alpha.webp", "-c:v libwebp_anim -lossless 1",
        "alpha.webm", "-c:v libvpx-vp9 -pix_fmt yuva420p"};
    for (size_t i = 0; i < sizeof films / sizeof *films; i += 2) {
        const bool gif = films[i + 1][0] == ',';
        if (!can_make_film(films[i],
                           "-f lavfi -i color=red:s=64x48:r=10:d=1 -vf \"format=rgba,geq=r=255:g=0:"
                           "b=0:a='255*lt(X,32)'%s\" %s",
                           gif ? films[i + 1] : "", gif ? "" : films[i + 1])) {
            printf("skipped: this ffmpeg cannot make %s\n", films[i]);
            continue;
        }
        struct pq_film_source *s =
            open_film(&(struct pq_film_read){.path = in_folder(films[i]), .alpha = true});
        if (!s->facts.info.alpha)
            fail_msg("%s: no alpha", films[i]);
        struct pq_image im = next_picture(s, true);
        const unsigned top = im.depth == 8 ? 255 : 65535;
        if (sample(&im, 3, 10, 10) < top * 0.98 || sample(&im, 3, 50, 10) > top * 0.02)
            fail_msg("%s: alpha is %u and %u", films[i], sample(&im, 3, 10, 10),
                     sample(&im, 3, 50, 10));
        assert_true(sample(&im, 0, 10, 10) > top * 0.9);
        free_picture(&im);
        read_all(s, &list);
        s->close(s);
        if (list.count < 1)
            printf("%s has one frame\n", films[i]);
    }
}

static void odd_sizes_are_whole(void **state)
{
    const char *path = make_film("odd.mkv", "-f lavfi -i color=gray:s=64x48:r=5:d=1 -vf "
                                            "format=rgb24,crop=63:47,format=yuv420p -c:v ffv1");
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    struct pq_image im = next_picture(s, false);
    assert_int_equal(im.width, 63);
    assert_int_equal(im.height, 47);
    for (int p = 0; p < 3; p++)
        assert_int_equal(sample(&im, p, 62, 46), sample(&im, p, 0, 0));
    free_picture(&im);
    s->close(s);
}

static void a_sequence_of_pictures_is_a_film(void **state)
{
    make_film("pic%03d.png", SCENE " -frames:v 7 -start_number 41");
    const char *path = in_folder("pic%03d.png");
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path, .fps = {12, 1}});
    assert_int_equal(s->facts.info.frames, 7);
    assert_int_equal(s->facts.info.fps_num, 12 * s->facts.info.fps_den);
    assert_int_equal(s->facts.rgb_depth, 8);
    read_all(s, &list);
    s->close(s);
    assert_int_equal(list.count, 7);
    struct pq_film_source *none;
    pique_error err;
    const struct pq_film_read read = {.path = in_folder("nopic%03d.png")};
    assert_int_equal(pq_av_open_source(&read, &none, &err), PIQUE_ENOENT);
}

static void standard_input_is_y4m(void **state)
{
    const char *path = make_film("pipe.y4m", SCENE " -pix_fmt yuv420p");
    frames_of(&(struct pq_film_read){.path = path});
    const uint64_t last = list.hash[49];
    for (int crop = 0; crop < 2; crop++) {
        char command[512];
        snprintf(command, sizeof command, "cat '%s'", path);
        FILE *cat = popen(command, "r");
        assert_non_null(cat);
        const int was = dup(0);
        assert_int_equal(dup2(fileno(cat), 0), 0);
        frames_of(&(struct pq_film_read){.path = "-", .crop_auto = crop});
        dup2(was, 0);
        close(was);
        assert_int_equal(pclose(cat), 0);
        assert_int_equal(list.count, 50);
        assert_int_equal(list.hash[49], last);
    }
}

static void from_and_to_cut_exactly(void **state)
{
    const char *path = make_film("cut.mkv", SCENE " -c:v libx264 -g 10 -bf 3");
    struct pq_film_source *s =
        open_film(&(struct pq_film_read){.path = path, .from = 0.4, .to = 1.2});
    assert_int_equal(s->facts.origin, 400);
    assert_int_equal(s->facts.first_pts, 400);
    assert_int_equal(s->facts.info.frames, 20);
    read_all(s, &list);
    s->close(s);
    assert_int_equal(list.count, 20);
    assert_int_equal(list.pts[19], 1160);
    pique_error err;
    const struct pq_film_read beyond = {.path = path, .from = 10};
    assert_int_equal(pq_av_open_source(&beyond, &s, &err), PIQUE_EINVAL);
}

static void another_rate_repeats_and_drops(void **state)
{
    const char *path = make_film("rate.mkv", SCENE " -c:v ffv1");
    frames_of(&(struct pq_film_read){.path = path});
    const struct frame_list all = list;
    frames_of(&(struct pq_film_read){.path = path, .fps = {50, 1}});
    assert_int_equal(list.count, 100);
    for (int k = 0; k < 100; k++) {
        assert_int_equal(list.pts[k], k);
        assert_int_equal(list.hash[k], all.hash[k / 2]);
    }
    frames_of(&(struct pq_film_read){.path = path, .fps = {10, 1}});
    assert_int_equal(list.count, 20);
    for (int k = 0; k < 20; k++)
        assert_int_equal(list.hash[k], all.hash[k * 5 / 2]);
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path, .fps = {10, 1}});
    assert_int_equal(s->facts.time_base.den, 10);
    assert_int_equal(s->facts.info.frames, 20);
    s->close(s);
}

static void crop_keeps_exactly_the_piece(void **state)
{
    const char *path = make_film("crop.mkv", SCENE " -pix_fmt yuv420p -c:v ffv1");
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    struct pq_image whole = next_picture(s, false);
    s->close(s);
    s = open_film(&(struct pq_film_read){
        .path = path, .crop_width = 51, .crop_height = 33, .crop_x = 13, .crop_y = 7});
    assert_int_equal(s->facts.info.width, 51);
    assert_int_equal(s->facts.crop_x, 13);
    struct pq_image piece = next_picture(s, false);
    for (int y = 0; y < 33; y++)
        assert_memory_equal((char *)piece.data[1] + y * piece.stride[1],
                            (char *)whole.data[1] + (y + 7) * whole.stride[1] + 26, 102);
    s->close(s);
    free_picture(&whole);
    free_picture(&piece);
    pique_error err;
    const struct pq_film_read beyond = {
        .path = path, .crop_width = 100, .crop_height = 100, .crop_x = 61};
    assert_int_equal(pq_av_open_source(&beyond, &s, &err), PIQUE_EINVAL);
}

static void black_bars_are_found(void **state)
{
    static const char *const codecs[] = {"bars.mkv", "-c:v libx264 -g 10", "bars.y4m",
                                         "",         "bars.gif",           ""};
    for (size_t i = 0; i < 6; i += 2) {
        const char *path = make_film(
            codecs[i], SCENE " -vf \"lutyuv=y='max(val,80)',pad=192:160:16:22,format=yuv420p\" %s",
            codecs[i + 1]);
        struct notes notes = {0};
        struct pq_film_source *s = open_film(&(struct pq_film_read){
            .path = path, .crop_auto = true, .note = take_note, .note_user = &notes});
        const struct pq_film_facts *f = &s->facts;
        assert_true(f->crop_width >= 160 && f->crop_width <= 164);
        assert_true(f->crop_height >= 120 && f->crop_height <= 124);
        assert_true(f->crop_x >= 14 && f->crop_x <= 16);
        assert_true(f->crop_y >= 20 && f->crop_y <= 22);
        assert_non_null(strstr(notes.text, "black bars are cut off"));
        read_all(s, &list);
        assert_true(list.count >= 50);
        s->close(s);
    }
    const char *plain = make_film("plain.mkv", SCENE " -c:v ffv1");
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = plain, .crop_auto = true});
    assert_int_equal(s->facts.crop_width, 0);
    assert_int_equal(s->facts.info.width, 160);
    s->close(s);
}

/* How much neighbouring rows differ: combs are high. */
static double combs(const struct pq_image *im)
{
    double sum = 0;
    for (int y = 1; y < im->height - 1; y++)
        for (int x = 0; x < im->width; x++)
            sum += fabs((double)sample(im, 1, x, y) * 2 - sample(im, 1, x, y - 1) -
                        sample(im, 1, x, y + 1));
    return sum;
}

static void fields_are_woven_into_frames(void **state)
{
    const char *path = make_film(
        "fields.mpg", "-f lavfi -i testsrc2=s=320x240:r=50:d=2 -vf "
                      "tinterlace=interleave_top,fieldorder=tff -c:v mpeg2video -qscale 2 "
                      "-flags +ildct+ilme");
    double found[2];
    int counts[2];
    for (int smooth = 0; smooth < 2; smooth++) {
        struct pq_film_source *s =
            open_film(&(struct pq_film_read){.path = path, .deinterlace = smooth});
        assert_int_equal(s->facts.info.interlaced, !smooth);
        for (int i = 0; i < 10; i++) {
            struct pq_image im = next_picture(s, false);
            found[smooth] = combs(&im);
            free_picture(&im);
        }
        read_all(s, &list);
        counts[smooth] = list.count;
        s->close(s);
    }
    assert_int_equal(counts[0], counts[1]);
    assert_true(found[1] < found[0] * 0.7);
    path = make_film("one.mkv", SCENE " -frames:v 1 -c:v ffv1");
    assert_int_equal(frames_of(&(struct pq_film_read){.path = path, .deinterlace = true})->count,
                     1);
}

static void a_description_is_json_of_everything(void **state)
{
    static const char chapters[] = ";FFMETADATA1\ntitle=A \"film\"\n[CHAPTER]\nTIMEBASE=1/1000\n"
                                   "START=0\nEND=900\ntitle=One\n";
    put_file(in_folder("chapters.txt"), chapters, strlen(chapters));
    const char *path =
        make_film("all.mkv",
                  SCENE " -f lavfi -i sine=d=2 -i '%s' -map 0:v -map 1:a "
                        "-map_metadata 2 -attach '%s' -metadata:s:t mimetype=text/plain "
                        "-metadata:s:a language=ger -c:v libx264",
                  in_folder("chapters.txt"), in_folder("chapters.txt"));
    char *json;
    pique_error err;
    assert_ok(pq_av_describe(path, &json, &err), err);
    static const char *const parts[] = {
        "\"codec\":\"h264\"", "\"kind\":\"audio\"", "\"language\":\"ger\"", "chapters.txt",
        "\"chapters\":[{",    "A \\\"film\\\"",     "\"said\":false"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(json, parts[i]))
            fail_msg("%s is not in %s", parts[i], json);
    pq_free(json);
}

static void the_chosen_video_is_read(void **state)
{
    const char *path = make_film("two.mkv", SCENE " -f lavfi -i testsrc2=s=64x48:r=25:d=1 -map 0 "
                                                  "-map 1 -c:v ffv1");
    assert_int_equal(info_of(path).width, 160);
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path, .map = "a:0,v:1"});
    assert_int_equal(s->facts.info.width, 64);
    s->close(s);
    pique_error err;
    const struct pq_film_read beyond = {.path = path, .map = "v:2"};
    assert_int_equal(pq_av_open_source(&beyond, &s, &err), PIQUE_EINVAL);
}

static void a_real_film_is_read(void **state)
{
    const char *media = getenv("PIQUE_MEDIA");
    char *path = pq_asprintf("%s/onepiece_demo.mp4", media ? media : "");
    if (!media || access(path, R_OK)) {
        pq_free(path);
        puts("skipped: onepiece_demo.mp4 is not there (PIQUE_MEDIA)");
        skip();
    }
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    const int64_t frames = s->facts.info.frames;
    struct pq_image im = next_picture(s, false);
    free_picture(&im);
    read_all(s, &list);
    assert_int_equal(list.count + 1, frames);
    s->close(s);
    pq_free(path);
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_those_of_the_film),
        cmocka_unit_test(times_are_those_of_ffprobe),
        cmocka_unit_test(rotation_is_applied),
        cmocka_unit_test(rgb_of_8_bits_comes_bit_for_bit),
        cmocka_unit_test(alpha_is_kept_where_it_is_wanted),
        cmocka_unit_test(odd_sizes_are_whole),
        cmocka_unit_test(a_sequence_of_pictures_is_a_film),
        cmocka_unit_test(standard_input_is_y4m),
        cmocka_unit_test(from_and_to_cut_exactly),
        cmocka_unit_test(another_rate_repeats_and_drops),
        cmocka_unit_test(crop_keeps_exactly_the_piece),
        cmocka_unit_test(black_bars_are_found),
        cmocka_unit_test(fields_are_woven_into_frames),
        cmocka_unit_test(a_description_is_json_of_everything),
        cmocka_unit_test(the_chosen_video_is_read),
        cmocka_unit_test(a_real_film_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
