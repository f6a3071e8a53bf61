/* SPDX-License-Identifier: MIT */
#include "server/launch.h"

#include <sodium.h>
#include <string.h>

void pq_launch_init(struct pq_launch *launch)
{
    memset(launch, 0, sizeof *launch);
    pthread_mutex_init(&launch->lock, NULL);
}

void pq_launch_destroy(struct pq_launch *launch)
{
    pthread_mutex_destroy(&launch->lock);
    sodium_memzero(launch->words, sizeof launch->words);
}

void pq_launch_new(struct pq_launch *launch, char *out)
{
    unsigned char bytes[PQ_LAUNCH_LENGTH / 2];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(out, PQ_LAUNCH_LENGTH + 1, bytes, sizeof bytes);
    pthread_mutex_lock(&launch->lock);
    memcpy(launch->words[launch->next], out, PQ_LAUNCH_LENGTH + 1);
    launch->next = (launch->next + 1) % PQ_LAUNCH_WORDS;
    pthread_mutex_unlock(&launch->lock);
}

bool pq_launch_take(struct pq_launch *launch, const char *word)
{
    bool good = false;
    if (strlen(word) != PQ_LAUNCH_LENGTH)
        return false;
    pthread_mutex_lock(&launch->lock);
    for (size_t i = 0; i < PQ_LAUNCH_WORDS; i++) {
        if (launch->words[i][0] && sodium_memcmp(launch->words[i], word, PQ_LAUNCH_LENGTH) == 0) {
            launch->words[i][0] = '\0';
            good = true;
        }
    }
    pthread_mutex_unlock(&launch->lock);
    return good;
}
