/* SPDX-License-Identifier: MIT */
/* pique serve: the page. A second start opens the page of the one that runs. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/catalogue.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "server/serve.h"

enum { PORT_TRIES = 20, MOST_TEXT = 1 << 20 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < PQ_COUNT(caught); i++)
        sigaction(caught[i], &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* ---- the desktop ---- */

static bool has_desktop(void)
{
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x && *x) || (wayland && *wayland);
}

/* What the desktop opens an address or a folder with; it is left to itself. */
static int open_outside(const char *what, pique_error *err)
{
    const char *const argv[] = {"xdg-open", what, NULL};
    return pq_child_leave(argv, err);
}

/* ---- lists ---- */

static char *models_text(void)
{
    struct pq_str text = {0};
    return pq_cli_models_json(&text) == 0 ? pq_str_take(&text) : NULL;
}

/* libav stays out of the server: another process is asked. */
static char *codecs_text(void)
{
    const char *const argv[] = {"/proc/self/exe", "codecs", "--json", NULL};
    struct pq_child child;
    size_t got = 0;
    char *text = pq_malloc(MOST_TEXT);
    if (!text || pq_child_start(argv, NULL, &child, NULL) != 0) {
        pq_free(text);
        return NULL;
    }
    int rc = pq_child_read(&child, text, MOST_TEXT - 1, &got, NULL, NULL, NULL);
    text[got] = '\0';
    if (pq_child_wait(&child, rc != 0) != 0 || rc) {
        pq_free(text);
        return NULL;
    }
    return text;
}

/* ---- what is said ---- */

struct told {
    bool opens; /* the browser */
    bool json;
};

static void say_where(const struct told *told, const char *address)
{
    if (told->json)
        printf("{\"event\":\"serving\",\"address\":\"%s\"}\n", address);
    else
        printf("%s\n", address);
    fflush(stdout);
    if (told->opens)
        open_outside(address, NULL);
}

static void ready(void *user, const char *address, int port)
{
    (void)port;
    say_where(user, address);
}

static void problem(void *user, const char *text)
{
    struct pq_str s = {0};
    (void)user;
    pq_str_add_shown(&s, text);
    fprintf(stderr, pq_tr("pique: note: %s\n"), s.data ? s.data : "");
    pq_str_free(&s);
}

/* ---- the second start ---- */

static int open_running(const struct told *told, pique_error *err)
{
    struct pq_running_server server;
    json_t *answer = NULL;
    int rc = pq_running_server(NULL, &server, err);
    if (!rc)
        rc = pq_ask(&server, "POST", "/api/launch", NULL, &answer, err);
    const char *word = json_string_value(json_object_get(answer, "word"));
    char *address =
        word ? pq_serve_address(strcmp(server.address, "127.0.0.1") == 0 ? "localhost"
                                                                         : server.address,
                                server.port, word)
             : NULL;
    if (!rc && !address)
        rc = pq_fail(err, PIQUE_EIO, "the server that runs gave no address");
    if (!rc)
        say_where(told, address);
    pq_free(address);
    json_decref(answer);
    return rc;
}

/* ---- the first ---- */

/* 64 hexadecimal digits and perhaps a line end. */
static int read_token(const char *file, char **token, pique_error *err)
{
    int rc = file ? pq_read_text(file, 256, token, err) : 0;
    if (rc || !file)
        return rc;
    (*token)[strcspn(*token, "\r\n")] = '\0';
    if (strlen(*token) == 64 && strspn(*token, "0123456789abcdef") == 64)
        return 0;
    return pq_fail(err, PIQUE_EINVAL,
                   "%s: a token is 64 of the digits 0-9 and a-f in a line: openssl rand -hex 32",
                   file);
}

static int serve(const struct pq_options *o, struct told *told, const char *token, pique_error *err)
{
    const struct pq_value *folders = &o->values[PQ_OPT_FOLDER];
    const struct pq_value *names = &o->values[PQ_OPT_HOST_NAME];
    char *models = pq_models_folder();
    const struct pq_serve_setup setup = {
        .results = pq_text(o, PQ_OPT_RESULTS),
        .models = models,
        .port = (int)pq_whole(o, PQ_OPT_PORT),
        .port_tries = pq_given(o, PQ_OPT_PORT) ? 1 : PORT_TRIES,
        .listen = pq_text(o, PQ_OPT_LISTEN),
        .token = token,
        .host_names = names->all,
        .host_name_count = names->all_count,
        .folders = folders->all,
        .folder_count = folders->all_count,
        .ui_folder = pq_text(o, PQ_OPT_UI_FOLDER),
        .parallel = pq_given(o, PQ_OPT_PARALLEL) ? (int)pq_whole(o, PQ_OPT_PARALLEL) : 0,
        .models_text = models_text,
        .codecs_text = codecs_text,
        .open_folder = has_desktop() ? open_outside : NULL,
        .ready = ready,
        .problem = problem,
        .user = told,
    };
    if (!models)
        return pq_fail_nomem(err, 256);
    catch_signals();
    int rc = pq_serve(&setup, &stop, err);
    pq_free(models);
    return rc;
}

int pq_cli_serve(const struct pq_options *o)
{
    pique_error err;
    char *token = NULL;
    struct told told = {.opens = !pq_given(o, PQ_OPT_NO_OPEN) && has_desktop(),
                        .json = pq_given(o, PQ_OPT_JSON)};
    int rc = read_token(pq_text(o, PQ_OPT_TOKEN_FILE), &token, &err);
    if (!rc && pq_given(o, PQ_OPT_LISTEN) && !token)
        rc =
            pq_fail(&err, PIQUE_EINVAL,
                    "--listen lets other machines in, so it needs --token-file FILE; an ssh tunnel "
                    "needs neither");
    if (!rc)
        rc = serve(o, &told, token, &err);
    if (rc == PIQUE_EEXIST) /* the queue is another server's */
        rc = open_running(&told, &err);
    pq_free(token);
    return rc ? pq_cli_fail(&err) : PQ_EXIT_OK;
}
