/* SPDX-License-Identifier: MIT */
/* Files appear whole or not at all, whatever fails on the way. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/sha256.h"
#include "base/str.h"

static char folder[64], path[128];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pique-file-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/out.bin", folder);
    return 0;
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a test left something behind */
}

static int write_file(const char *text, bool overwrite, pique_error *err)
{
    struct pq_file f;
    int rc = pq_file_create(path, overwrite, &f, err);
    if (rc)
        return rc;
    rc = pq_file_write(&f, text, strlen(text), err);
    if (rc)
        pq_file_close(&f);
    else
        rc = pq_file_commit(&f, overwrite, err);
    return rc;
}

static void assert_content(const char *text)
{
    struct pq_map map;
    assert_int_equal(pq_map_open(path, &map, NULL), 0);
    assert_int_equal(map.size, strlen(text));
    assert_memory_equal(map.data, text, map.size);
    pq_map_close(&map);
}

static void an_output_appears_only_when_committed(void **state)
{
    (void)state;
    struct pq_file f;
    pique_error err;
    assert_int_equal(pq_file_create(path, false, &f, &err), 0);
    assert_int_equal(pq_file_write(&f, "half", 4, &err), 0);
    assert_false(pq_exists(path));
    pq_file_close(&f);
    assert_int_equal(files_in_folder(), 0);
    assert_int_equal(write_file("whole", false, &err), 0);
    assert_content("whole");
    struct stat st;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
}

static void an_existing_output_is_refused_or_replaced(void **state)
{
    (void)state;
    pique_error err;
    assert_int_equal(write_file("one", false, &err), 0);
    assert_int_equal(write_file("two", false, &err), PIQUE_EEXIST);
    assert_non_null(strstr(err.message, path));
    assert_content("one");
    assert_int_equal(write_file("two", true, &err), 0);
    assert_content("two");
}

static void an_output_that_appears_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    struct pq_file f;
    pique_error err;
    assert_int_equal(pq_file_create(path, false, &f, &err), 0);
    assert_int_equal(pq_file_write(&f, "mine", 4, &err), 0);
    assert_int_equal(write_file("theirs", false, &err), 0);
    assert_int_equal(pq_file_commit(&f, false, &err), PIQUE_EEXIST);
    assert_content("theirs");
    assert_int_equal(files_in_folder(), 1);
}

static void an_output_is_gone_on_with_where_it_was_left(void **state)
{
    (void)state;
    struct pq_file f;
    pique_error err;
    int64_t at;
    char part[300];
    snprintf(part, sizeof part, "%s/.part", folder);
    assert_int_equal(pq_file_resume(part, path, false, &f, &at, &err), 0);
    assert_int_equal(at, 0);
    assert_int_equal(pq_file_write(&f, "one ", 4, &err), 0);
    pq_file_close(&f);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(pq_file_resume(part, path, false, &f, &at, &err), 0);
    assert_int_equal(at, 4);
    assert_int_equal(pq_file_write(&f, "two", 3, &err), 0);
    assert_int_equal(pq_file_commit(&f, true, &err), 0);
    assert_content("one two");
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(pq_file_resume(path, path, true, &f, &at, &err), 0);
    assert_int_equal(at, 0);
    pq_file_close(&f);
    assert_content("");
    assert_int_equal(symlink(path, part), 0);
    assert_int_not_equal(pq_file_resume(part, path, false, &f, &at, &err), 0);
    assert_int_equal(unlink(part), 0);
    assert_int_equal(pq_file_resume(folder, path, false, &f, &at, &err), PIQUE_ECREATE);
}

static void every_fault_leaves_nothing_behind(void **state)
{
    (void)state;
    static const struct {
        enum pq_fault_kind kind;
        int errnum, status;
    } faults[] = {
        {PQ_FAULT_OPEN, EACCES, PIQUE_ECREATE},  {PQ_FAULT_WRITE, ENOSPC, PIQUE_ENOSPC},
        {PQ_FAULT_WRITE, EIO, PIQUE_EIO},        {PQ_FAULT_SYNC, EIO, PIQUE_EIO},
        {PQ_FAULT_RENAME, ENOSPC, PIQUE_ENOSPC},
    };
    for (size_t i = 0; i < PQ_COUNT(faults); i++) {
        pique_error err;
        pq_fault_arm(faults[i].kind, 1, faults[i].errnum, false);
        assert_int_equal(write_file("text", false, &err), faults[i].status);
        pq_fault_arm(faults[i].kind, 0, 0, false);
        assert_non_null(strstr(err.message, path));
        assert_int_equal(files_in_folder(), 0);
    }
}

static void every_failed_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    for (int n = 1;; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = write_file("text", true, NULL);
        bool struck = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        /* The folder's name for its sync is a convenience; the file is there without. */
        assert_true(rc == 0 || rc == PIQUE_ENOMEM);
        assert_int_equal(files_in_folder(), rc == 0);
        unlink(path);
        if (!struck)
            break;
    }
}

static void what_is_not_a_file_is_named(void **state)
{
    (void)state;
    struct pq_file f;
    struct pq_map map;
    pique_error err;
    assert_int_equal(pq_file_open(path, &f, &err), PIQUE_ENOENT);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(pq_file_open(folder, &f, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "folder"));
    assert_int_equal(pq_map_open("/dev/null", &map, &err), PIQUE_EFORMAT);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it, and nobody waits */
    assert_int_equal(pq_map_open(path, &map, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_file_create(folder, true, &f, &err), PIQUE_ECREATE);
    assert_int_equal(pq_file_create("/dev/null", true, &f, &err), PIQUE_ECREATE);
    assert_int_equal(pq_file_create("/no/such/folder/x.png", true, &f, &err), PIQUE_ECREATE);
    assert_non_null(strstr(err.message, "folder does not exist"));
}

static void reading_and_hashing(void **state)
{
    (void)state;
    pique_error err;
    assert_int_equal(write_file("abc", true, &err), 0);
    char hex[PQ_SHA256_HEX];
    assert_int_equal(pq_sha256_file(path, hex, &err), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct pq_file f;
    char data[8];
    size_t got;
    int64_t at;
    assert_int_equal(pq_file_open(path, &f, &err), 0);
    assert_int_equal(pq_file_size(&f), 3);
    assert_int_equal(pq_file_seek(&f, 1, SEEK_SET, &at, &err), 0);
    assert_int_equal(pq_file_read(&f, data, sizeof data, &got, &err), 0);
    assert_int_equal(got, 2);
    assert_int_equal(pq_file_read(&f, data, sizeof data, &got, &err), 0);
    assert_int_equal(got, 0);
    pq_fault_arm(PQ_FAULT_READ, 1, EIO, false);
    assert_int_equal(pq_file_read(&f, data, sizeof data, &got, &err), PIQUE_EIO);
    assert_int_equal(err.code, PIQUE_EIO);
    pq_fault_arm(PQ_FAULT_READ, 0, 0, false);
    pq_file_close(&f);
    pq_file_close(&f);
}

static void a_temporary_file_has_no_name(void **state)
{
    (void)state;
    struct pq_file f;
    int64_t at;
    size_t got;
    char data[4];
    setenv("TMPDIR", folder, 1);
    assert_int_equal(pq_file_temp(&f, NULL), 0);
    unsetenv("TMPDIR");
    assert_int_equal(files_in_folder(), 0);
    assert_int_equal(pq_file_write(&f, "abcd", 4, NULL), 0);
    assert_int_equal(pq_file_seek(&f, 0, SEEK_SET, &at, NULL), 0);
    assert_int_equal(pq_file_read(&f, data, 4, &got, NULL), 0);
    assert_memory_equal(data, "abcd", 4);
    pq_file_close(&f);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    char deep[256];
    pique_error err;
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    assert_int_equal(pq_make_folders(deep, &err), 0);
    assert_int_equal(pq_make_folders(deep, &err), 0);
    assert_true(pq_is_folder(deep));
    rmdir(deep);
    snprintf(deep, sizeof deep, "%s/a/b", folder);
    rmdir(deep);
    snprintf(deep, sizeof deep, "%s/a", folder);
    rmdir(deep);
    assert_int_equal(write_file("x", true, &err), 0);
    snprintf(deep, sizeof deep, "%s/under", path);
    assert_int_equal(pq_make_folders(deep, &err), PIQUE_ECREATE);
}

static void a_long_name_leaves_room_for_the_temporary_one(void **state)
{
    (void)state;
    static const char letter[] = "\xc3\xbc";
    char name[256], long_path[512];
    struct pq_file f;
    pique_error err;
    /* One letter lies across the place where the name is cut. */
    name[0] = 'a';
    for (size_t i = 1; i + 2 < sizeof name; i += 2)
        memcpy(name + i, letter, sizeof letter);
    assert_int_equal(strlen(name), 255);
    snprintf(long_path, sizeof long_path, "%s/%s", folder, name);
    assert_int_equal(pq_file_create(long_path, false, &f, &err), 0);
    const char *temp = strrchr(f.temp_path, '/') + 1;
    for (const char *s = temp; *s; s += pq_utf8_length(s))
        assert_int_not_equal(pq_utf8_length(s), 0);
    assert_true(pq_file_is_temp_of(temp, name));
    assert_int_equal(pq_file_commit(&f, false, &err), 0);
    unlink(long_path);
    snprintf(long_path, sizeof long_path, "%s/%s%s", folder, name, "xyz");
    assert_int_equal(pq_file_create(long_path, false, &f, &err), PIQUE_ECREATE);
    assert_int_equal(files_in_folder(), 0);
}

static void temporary_names_are_told_from_others(void **state)
{
    (void)state;
    assert_true(pq_file_is_temp_of(".a.png.abcdef.part", "a.png"));
    assert_false(pq_file_is_temp_of(".a.png.part", "a.png"));
    assert_false(pq_file_is_temp_of(".a.png.abcdefg.part", "a.png"));
    assert_false(pq_file_is_temp_of(".b.png.abcdef.part", "a.png"));
    assert_false(pq_file_is_temp_of("xa.png.abcdef.part", "a.png"));
    assert_false(pq_file_is_temp_of(".a.png.abcdef.tmp1", "a.png"));
    assert_false(pq_file_is_temp_of("", "a.png"));
}

/* File systems that can do less: these stand before the C library's. */
static int no_noreplace, no_links;

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (no_noreplace) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
    if (no_links) {
        errno = EPERM;
        return -1;
    }
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void a_poorer_file_system_gets_the_output_too(void **state)
{
    (void)state;
    pique_error err;
    no_noreplace = 1;
    for (no_links = 0; no_links < 2; no_links++) {
        assert_int_equal(write_file("one", false, &err), 0);
        struct pq_file f;
        unlink(path);
        assert_int_equal(pq_file_create(path, false, &f, &err), 0);
        assert_int_equal(write_file("theirs", false, &err), 0);
        assert_int_equal(pq_file_commit(&f, false, &err), PIQUE_EEXIST);
        assert_content("theirs");
        assert_int_equal(files_in_folder(), 1);
        unlink(path);
    }
    no_noreplace = no_links = 0;
}

/* Files and folders, which no hard link can name. */
static void a_new_name_is_given_by_a_poorer_file_system_too(void **state)
{
    char to[100], inside[140], taken[120];
    pique_error err;
    (void)state;
    snprintf(to, sizeof to, "%s/to", folder);
    snprintf(inside, sizeof inside, "%s/in", path);
    snprintf(taken, sizeof taken, "%s/in", to);
    no_noreplace = 1;
    for (no_links = 0; no_links < 2; no_links++) {
        assert_int_equal(write_file("one", false, &err), 0);
        assert_int_equal(pq_rename_new(path, to, &err), 0);
        assert_int_equal(files_in_folder(), 1);
        assert_int_equal(write_file("two", false, &err), 0);
        assert_int_equal(pq_rename_new(path, to, &err), PIQUE_EEXIST);
        assert_content("two");
        unlink(path);
        unlink(to);
    }
    no_links = 0;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(pq_rename_new(path, to, &err), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(pq_rename_new(path, to, &err), PIQUE_EEXIST);
    assert_int_equal(rmdir(taken), 0);                             /* it came along */
    assert_int_equal(pq_rename_new(path, to, &err), PIQUE_EEXIST); /* though it is empty */
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(to), 0);
    no_noreplace = 0;
}

static void a_closed_stream_is_no_file(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct pq_file f;
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        pq_hold_standard_streams();
        bool held = pq_file_create(path, false, &f, NULL) == 0 && f.fd > 2;
        bool dead = write(1, "x", 1) < 0 && write(2, "x", 1) < 0 && read(0, &held, 1) < 0;
        pq_file_close(&f);
        _exit(!(held && dead));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(files_in_folder(), 0);
}

static void a_path_stands_in_its_folder(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a/b/c", "a/b"}, {"/a/b", "/a"}, {"/a", "/"},
                                           {"a", "."},       {"", "."},      {"a/", "a"}};
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        char *is = pq_folder_of(cases[i][0]);
        assert_string_equal(is, cases[i][1]);
        pq_free(is);
    }
}

/* ---- below a folder ---- */

/* What pq_file_open_below() returns for each path; true where all is as expected. */
static bool opens_below_alone(void)
{
    static const struct {
        const char *path;
        bool opens;
    } cases[] = {
        {"in/a", true},        {"in/link", false},
        {"up/out.bin", false}, {"in/../../out.bin", false},
        {"../x", false},       {"in", false},
        {"in/none", false},    {"none/a", false},
        {"in/a/b", false},     {"/etc/passwd", false},
        {"", false},           {"in/", false},
        {"in/pipe", false},    {"..", false},
        {"/", false},          {"in/\xff", false},
    };
    bool fine = true;
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_file f;
        pique_error err;
        const int rc = pq_file_open_below(folder, cases[i].path, &f, &err);
        if ((rc == 0) != cases[i].opens) {
            print_error("%s: %d\n", cases[i].path, rc);
            fine = false;
        }
        pq_file_close(&f);
    }
    return fine;
}

/* The same of pq_open_below(), which opens folders too. */
static bool opens_folders_below_alone(void)
{
    static const struct {
        const char *path;
        bool opens;
    } cases[] = {{"", true}, {"in", true}, {"in/a", true}, {"..", false}, {"up", false}};
    bool fine = true;
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        const int fd = pq_open_below(folder, cases[i].path);
        if ((fd >= 0) != cases[i].opens) {
            print_error("%s: %d\n", cases[i].path, fd);
            fine = false;
        }
        if (fd >= 0)
            close(fd);
    }
    return fine;
}

/* As on a kernel before 5.6: openat2() is not there, in this process and for good. */
static bool take_openat2_away(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {PQ_COUNT(code), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void make_below(void)
{
    char name[256];
    snprintf(name, sizeof name, "%s/in", folder);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof name, "%s/in/a", folder);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    snprintf(name, sizeof name, "%s/in/link", folder);
    assert_int_equal(symlink("a", name), 0);
    snprintf(name, sizeof name, "%s/up", folder);
    assert_int_equal(symlink(".", name), 0);
    snprintf(name, sizeof name, "%s/in/pipe", folder);
    assert_int_equal(mkfifo(name, 0600), 0);
}

static void what_is_below_a_folder_is_opened_and_nothing_else(void **state)
{
    (void)state;
    static const char *const made[] = {"in/a", "in/link", "in/pipe", "up", "in"};
    int status = -1;
    make_below();
    assert_true(opens_below_alone() && opens_folders_below_alone());
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(!take_openat2_away() ? 77 : !(opens_below_alone() && opens_folders_below_alone()));
    assert_int_equal(waitpid(child, &status, 0), child);
    for (size_t i = 0; i < PQ_COUNT(made); i++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", folder, made[i]);
        remove(name);
    }
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        print_message("not tested without openat2(): no seccomp here\n");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_is_private_is_so_whatever_the_umask_says(void **state)
{
    (void)state;
    struct stat st;
    const mode_t before = umask(0);
    assert_int_equal(pq_write_text(path, "for all", NULL), 0);
    assert_int_equal(pq_write_private(path, "secret", NULL), 0);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 6);
    assert_int_equal(files_in_folder(), 1);
    struct pq_file f;
    assert_int_equal(pq_file_create_private(path, &f, NULL), 0);
    assert_int_equal(fstat(f.fd, &st), 0); /* before anything is written, too */
    assert_int_equal(st.st_mode & 0777, 0600);
    pq_file_close(&f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_private_is_so_whatever_the_umask_says),
        TEST(an_output_appears_only_when_committed),
        TEST(an_existing_output_is_refused_or_replaced),
        TEST(an_output_that_appears_meanwhile_is_not_overwritten),
        TEST(an_output_is_gone_on_with_where_it_was_left),
        TEST(every_fault_leaves_nothing_behind),
        TEST(every_failed_allocation_leaves_nothing_behind),
        TEST(what_is_not_a_file_is_named),
        TEST(reading_and_hashing),
        TEST(a_temporary_file_has_no_name),
        TEST(folders_are_made_with_their_parents),
        TEST(a_path_stands_in_its_folder),
        TEST(a_long_name_leaves_room_for_the_temporary_one),
        TEST(temporary_names_are_told_from_others),
        TEST(a_poorer_file_system_gets_the_output_too),
        TEST(a_new_name_is_given_by_a_poorer_file_system_too),
        TEST(a_closed_stream_is_no_file),
        TEST(what_is_below_a_folder_is_opened_and_nothing_else),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
