/* SPDX-License-Identifier: MIT */
#include "cli/ask.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "job/dump.h"

enum { MOST_ANSWER = 64 << 20, MOST_HEAD = 1 << 16 };

/* ---- the connection ---- */

static int connect_to(const struct pq_running_server *server, pique_error *err)
{
    char port[16];
    struct addrinfo *found = NULL,
                    how = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    int fd = -1;
    snprintf(port, sizeof port, "%d", server->port);
    if (getaddrinfo(server->address, port, &how, &found) == 0 && found)
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    if (found)
        freeaddrinfo(found);
    if (fd < 0)
        pq_fail(err, PIQUE_ENOENT, "no server answers on port %d; pique serve starts one",
                server->port);
    return fd;
}

static int send_all(int fd, const char *data, size_t size, pique_error *err)
{
    while (size) {
        const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pq_fail(err, PIQUE_EIO, "the server went away: %s", strerror(errno));
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int send_head(int fd, const struct pq_running_server *server, const char *method,
                     const char *path, const char *type, uint64_t length, pique_error *err)
{
    char *head = pq_asprintf("%s %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nAuthorization: Bearer %s\r\n"
                             "X-Pique: 1\r\nAccept-Language: %s\r\nConnection: close\r\n",
                             method, path, strchr(server->address, ':') ? "[" : "", server->address,
                             strchr(server->address, ':') ? "]" : "", server->port, server->token,
                             pq_lang() == PQ_LANG_FR ? "fr" : "en");
    char *rest = type ? pq_asprintf("Content-Type: %s\r\nContent-Length: %llu\r\n\r\n", type,
                                    (unsigned long long)length)
                      : pq_strdup("\r\n");
    int rc = head && rest ? send_all(fd, head, strlen(head), err) : pq_fail_nomem(err, 512);
    if (!rc)
        rc = send_all(fd, rest, strlen(rest), err);
    pq_free(head);
    pq_free(rest);
    return rc;
}

/* Everything until the server closes. */
static int receive_all(int fd, struct pq_str *out, pique_error *err)
{
    char data[16384];
    for (;;) {
        const ssize_t n = recv(fd, data, sizeof data, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pq_fail(err, PIQUE_EIO, "the server went away: %s", strerror(errno));
        if (n == 0)
            return out->failed ? pq_fail_nomem(err, out->length) : 0;
        pq_str_add_n(out, data, (size_t)n);
        if (out->length > MOST_ANSWER)
            return pq_fail(err, PIQUE_EFORMAT, "the server answers without end");
    }
}

/* ---- the answer ---- */

static int read_answer(const struct pq_str *text, json_t **answer, pique_error *err)
{
    int status = 0;
    const char *body = text->data ? strstr(text->data, "\r\n\r\n") : NULL;
    if (!body || sscanf(text->data, "HTTP/1.1 %d", &status) != 1)
        return pq_fail(err, PIQUE_EFORMAT, "what answers there is no pique server");
    body += 4;
    *answer = *body ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (status < 400)
        return 0;
    const char *said =
        json_string_value(json_object_get(json_object_get(*answer, "error"), "text"));
    int rc = pq_fail(err,
                     status == 404  ? PIQUE_ENOENT
                     : status < 500 ? PIQUE_EINVAL
                                    : PIQUE_EIO,
                     "%s", said ? said : pq_tr("the server refused without a word"));
    json_decref(*answer);
    *answer = NULL;
    return rc;
}

static int finish(int fd, json_t **answer, pique_error *err)
{
    struct pq_str text = {0};
    int rc = receive_all(fd, &text, err);
    if (!rc)
        rc = read_answer(&text, answer, err);
    pq_str_free(&text);
    return rc;
}

int pq_ask(const struct pq_running_server *server, const char *method, const char *path,
           const json_t *body, json_t **answer, pique_error *err)
{
    *answer = NULL;
    char *text = body ? pq_json_dump(body, JSON_COMPACT) : NULL;
    if (body && !text)
        return pq_fail_nomem(err, 4096);
    const bool changes = strcmp(method, "GET") != 0;
    const char *said = text ? text : "{}";
    const bool has_body = changes && strcmp(method, "DELETE") != 0;
    const int fd = connect_to(server, err);
    int rc = fd < 0 ? err->code
                    : send_head(fd, server, method, path, has_body ? "application/json" : NULL,
                                strlen(said), err);
    if (!rc && has_body)
        rc = send_all(fd, said, strlen(said), err);
    if (!rc)
        rc = finish(fd, answer, err);
    if (fd >= 0)
        close(fd);
    pq_free(text);
    return rc;
}

int pq_ask_upload(const struct pq_running_server *server, const char *id, const char *file,
                  pique_error *err)
{
    enum { PIECE = 1 << 16 };
    struct pq_file in;
    json_t *answer = NULL;
    char *path = pq_asprintf("/api/items/%s/content?offset=0", id), *data = pq_malloc(PIECE);
    int rc = path && data ? pq_file_open(file, &in, err) : pq_fail_nomem(err, PIECE);
    if (rc) {
        pq_free(path);
        pq_free(data);
        return rc;
    }
    const int fd = connect_to(server, err);
    rc = fd < 0 ? err->code
                : send_head(fd, server, "PUT", path, "application/octet-stream",
                            (uint64_t)pq_file_size(&in), err);
    for (size_t got = 1; !rc && got;) {
        rc = pq_file_read(&in, data, PIECE, &got, err);
        if (!rc)
            rc = send_all(fd, data, got, err);
    }
    if (!rc)
        rc = finish(fd, &answer, err);
    if (fd >= 0)
        close(fd);
    json_decref(answer);
    pq_file_close(&in);
    pq_free(path);
    pq_free(data);
    return rc;
}
