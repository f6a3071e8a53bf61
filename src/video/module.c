/* SPDX-License-Identifier: MIT */
/* Films from files and to files: what film/ asks of this folder. */
#include "video/module.h"

#include "video/av.h"

const struct pq_video_io *pique_video_module(void)
{
    static const struct pq_video_io table = {
        .version = PQ_VIDEO_IO_VERSION,
        .describe = pq_av_describe,
        .open_source = pq_av_open_source,
        .frame_ref = pq_av_frame_ref,
        .frame_unref = pq_av_frame_unref,
        .choose = pq_av_choose,
        .open_writer = pq_av_open_writer,
        .write_journal = pq_av_write_journal,
        .read_journal = pq_av_read_journal,
        .lost = pq_av_lost,
        .join = pq_av_join,
        .profiles = pq_av_profiles,
    };
    pq_av_start();
    return &table;
}
