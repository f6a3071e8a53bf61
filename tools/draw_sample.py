#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws docs/sample.png, the picture that the README upscales: draw_sample.py [OUT.png]

Everything is filled polygons on a canvas SS times as large, averaged down: clean lines, flat
shading, thin hatching and small text, then softened a little, as a picture that has been through
the web is."""
import math
import os
import struct
import sys
import zlib

W, H, SS = 384, 256, 5

INK = (52, 36, 58)


class Canvas:
    def __init__(self):
        self.rows = [bytearray(3 * W * SS) for _ in range(H * SS)]

    def fill(self, points, colour, clip=None):
        """A polygon, even-odd. clip is a function y -> (x0, x1) in picture units, or None."""
        pts = [(x * SS, y * SS) for x, y in points]
        low = max(0, math.floor(min(y for _, y in pts)))
        high = min(H * SS - 1, math.ceil(max(y for _, y in pts)))
        edges = [(a, b) for a, b in zip(pts, pts[1:] + pts[:1]) if a[1] != b[1]]
        for row in range(low, high + 1):
            y = row + 0.5
            cross = sorted(a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) for a, b in edges
                           if (a[1] <= y) != (b[1] <= y))
            for x0, x1 in zip(cross[::2], cross[1::2]):
                if clip:
                    c0, c1 = clip(y / SS)
                    x0, x1 = max(x0, c0 * SS), min(x1, c1 * SS)
                i, j = max(0, round(x0)), min(W * SS, round(x1))
                if i < j:
                    self.rows[row][3 * i:3 * j] = bytes(colour) * (j - i)

    def line(self, points, width, colour=INK, taper=True):
        """A brush stroke along points, thin at both ends where taper is set."""
        n = len(points) - 1
        left, right = [], []
        for k, (x, y) in enumerate(points):
            ax, ay = points[max(k - 1, 0)]
            bx, by = points[min(k + 1, n)]
            dx, dy = bx - ax, by - ay
            length = math.hypot(dx, dy) or 1
            t = k / n
            half = width / 2 * (0.25 + 0.75 * math.sin(math.pi * t) ** 0.6 if taper else 1)
            left.append((x - dy / length * half, y + dx / length * half))
            right.append((x + dy / length * half, y - dx / length * half))
        for a in range(n):
            self.fill([left[a], left[a + 1], right[a + 1], right[a]], colour)

    def outlined(self, points, colour, width=1.1):
        self.fill(points, colour)
        self.line(points + points[:1], width, taper=False)

    def small(self):
        """Averaged down to W x H."""
        out = []
        for y in range(H):
            rows = self.rows[y * SS:(y + 1) * SS]
            line = bytearray(3 * W)
            for x in range(W):
                for c in range(3):
                    at = 3 * x * SS + c
                    line[3 * x + c] = (sum(sum(r[at:at + 3 * SS:3]) for r in rows) +
                                       SS * SS // 2) // (SS * SS)
            out.append(line)
        return out


def curve(*points, n=24):
    """A smooth line through the points (Catmull-Rom)."""
    p = [points[0]] + list(points) + [points[-1]]
    out = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        for i in range(n):
            t = i / n
            out.append(tuple(0.5 * (2 * v1 + (v2 - v0) * t + (2 * v0 - 5 * v1 + 4 * v2 - v3) * t * t +
                                    (3 * v1 - v0 - 3 * v2 + v3) * t ** 3)
                             for v0, v1, v2, v3 in zip(a, b, c, d)))
    return out + [points[-1]]


def ellipse(x, y, rx, ry, n=72, turn=0.0):
    c, s = math.cos(turn), math.sin(turn)
    return [(x + rx * math.cos(a) * c - ry * math.sin(a) * s,
             y + rx * math.cos(a) * s + ry * math.sin(a) * c)
            for a in (2 * math.pi * k / n for k in range(n))]


# ---- the parts ----

def sky(d):
    bands = [(96, 152, 214), (118, 170, 224), (144, 189, 232), (174, 208, 238), (206, 225, 241),
             (238, 234, 226), (252, 228, 200)]
    for k, colour in enumerate(bands):
        top = 150 * k / len(bands) if k else -9
        wave = [(x, top + 2.5 * math.sin(x / 31 + k)) for x in range(0, W + 8, 8)]
        d.fill([(0, H)] + wave + [(W, H)], colour)
    d.fill(ellipse(84, 104, 22, 22), (255, 246, 214))
    for cx, cy, size in ((52, 38, 1.0), (150, 62, 0.7), (338, 30, 0.9), (20, 84, 0.5)):
        puffs = [(-30, 6, 16), (-10, -3, 19), (14, -1, 17), (33, 7, 13)]
        for dx, dy, r in puffs:
            d.fill(ellipse(cx + dx * size, cy + (dy + 3) * size, r * size, 0.66 * r * size),
                   (214, 226, 242))
        for dx, dy, r in puffs:
            d.fill(ellipse(cx + dx * size, cy + dy * size, r * size, 0.6 * r * size),
                   (250, 252, 255))


def hills(d):
    far = curve((-4, 132), (28, 112), (62, 126), (104, 96), (142, 124), (180, 110), (232, 130),
                (300, 104), (350, 126), (390, 116))
    d.fill(far + [(W, H), (0, H)], (132, 150, 190))
    d.line(far, 0.9, (84, 96, 140), taper=False)
    # Hatching on the shaded side: thin lines are what a poor upscaler loses first.
    for k in range(17):
        x = 106 + 2.1 * k
        y = 98 + 1.55 * k
        d.line([(x, y + 1), (x - 3, y + 5), (x - 7, min(y + 17 - 0.4 * k, 127))], 0.7, (84, 96, 140))
    sea = 132
    d.fill([(0, sea), (W, sea), (W, H), (0, H)], (74, 132, 176))
    for k in range(26):
        y = sea + 2.2 + k * 1.9
        x = (k * 61) % 170
        d.line([(x, y), (x + 16 + k % 5 * 4, y)], 0.7, (178, 214, 232))
        d.line([(x + 150, y + 1), (x + 168, y + 1)], 0.7, (44, 96, 144))
    near = curve((-4, 168), (30, 160), (70, 170), (116, 182), (168, 178), (240, 190), (390, 176))
    d.fill(near + [(W, H), (0, H)], (112, 164, 92))
    d.line(near, 1.1, (48, 84, 58), taper=False)
    for k in range(60):
        x = (k * 37) % 190 + 2
        y = 184 + (k * 53) % 70
        d.line([(x, y), (x + 1.2, y - 5), (x + 3, y - 8)], 0.8, (66, 118, 66))
        d.line([(x + 2, y), (x + 3.6, y - 4), (x + 6, y - 6)], 0.8, (150, 194, 110))


def lighthouse(d):
    d.outlined([(119.4, 185), (124, 118), (136, 118), (140.6, 185)], (250, 246, 240))
    for y in (126, 142, 158, 174):
        s = (y - 118) / 58 * 4
        e = (y + 8 - 118) / 58 * 4
        d.fill([(124 - s, y), (136 + s, y), (136 + e, y + 8), (124 - e, y + 8)], (206, 66, 62))
    d.fill([(133, 118.6), (135.6, 118.6), (139.9, 184.4), (134.6, 184.4)], (206, 200, 206))
    d.outlined([(121, 118), (121, 114), (139, 114), (139, 118)], (96, 90, 112))
    d.outlined([(125, 114), (125, 104), (135, 104), (135, 114)], (255, 236, 150))
    for x in (128.3, 131.7):
        d.line([(x, 104), (x, 114)], 0.7, taper=False)
    d.outlined([(123, 104), (130, 96), (137, 104)], (206, 66, 62))
    d.line([(130, 96), (130, 91)], 0.9, taper=False)


FONT = {  # strokes on a 4 x 7 grid, y down, x height at 2
    'p': [[(0, 2), (0, 9)], [(0, 3), (1, 2), (3, 2), (4, 3), (4, 6), (3, 7), (1, 7), (0, 6)]],
    'i': [[(0, 2), (0, 7)], [(0, 0), (0, 0.6)]],
    'q': [[(4, 2), (4, 9)], [(4, 3), (3, 2), (1, 2), (0, 3), (0, 6), (1, 7), (3, 7), (4, 6)]],
    'u': [[(0, 2), (0, 6), (1, 7), (3, 7), (4, 6)], [(4, 2), (4, 7)]],
    'e': [[(0, 4.4), (4, 4.4), (4, 3), (3, 2), (1, 2), (0, 3), (0, 6), (1, 7), (3.4, 7), (4, 6.3)]],
    'h': [[(0, 0), (0, 7)], [(0, 3), (1, 2), (3, 2), (4, 3), (4, 7)]],
    'l': [[(0, 0), (0, 7)]],
    'g': [[(4, 2), (4, 8), (3, 9), (0.6, 9)],
          [(4, 3), (3, 2), (1, 2), (0, 3), (0, 6), (1, 7), (3, 7), (4, 6)]],
    't': [[(1, 0), (1, 6), (2, 7), (3, 7)], [(-0.3, 2), (3, 2)]],
    '4': [[(3, 7), (3, 0), (0, 5), (4, 5)]],
    'k': [[(0, 0), (0, 7)], [(4, 2), (0, 5), (4, 7)]],
    'm': [[(0, 2), (0, 7)], [(0, 3), (1, 2), (2, 3), (2, 7)], [(2, 3), (3, 2), (4, 3), (4, 7)]],
    ' ': [],
}
WIDTH = {'i': 1.6, 'l': 1.8, 't': 4.4, ' ': 3}


def write(d, text, x, y, size, width, colour=INK):
    unit = size / 7
    for letter in text:
        for stroke in FONT[letter]:
            pts = [(x + a * unit, y + b * unit) for a, b in stroke]
            d.line(pts, width, colour, taper=False)
            for px, py in pts:
                d.fill(ellipse(px, py, width / 2, width / 2, 12), colour)
        x += (WIDTH.get(letter, 5.6)) * unit


def sign(d):
    d.outlined([(34, 190), (34, 240), (39, 240), (39, 190)], (150, 106, 72))
    d.outlined([(10, 180), (88, 176), (96, 188), (88, 201), (10, 205)], (222, 184, 130))
    for k in range(4):
        d.line([(14, 184 + 5.4 * k), (50, 182 + 5.6 * k), (84, 180.5 + 5.4 * k)], 0.6,
               (186, 144, 96))
    write(d, 'pique 4 km', 17, 186.5, 8.5, 1.2)


def hair_behind(d):
    d.outlined(curve((232, 70), (206, 104), (200, 160), (190, 214), (176, 262), (360, 262),
                     (350, 214), (346, 160), (338, 104), (312, 68), (272, 52), (232, 70)),
               (62, 78, 128), 1.4)
    for x, bend in ((204, -6), (212, -8), (332, 8), (340, 9)):
        d.line(curve((x + 4, 150), (x, 190), (x + bend, 250)), 1.0, (40, 50, 92))


def body(d):
    d.outlined(curve((214, 262), (222, 232), (252, 218), (272, 214), (294, 218), (324, 232),
                     (334, 262)), (246, 246, 250), 1.3)
    d.outlined(curve((258, 188), (258, 212), (250, 222), (272, 238), (296, 222), (287, 212),
                     (287, 188)), (246, 204, 180), 1.1)
    d.fill([(258, 200), (287, 192), (287, 207), (272, 213), (259, 208)], (222, 164, 148))
    d.outlined([(247, 217), (226, 232), (240, 262), (272, 262), (272, 240)], (58, 92, 150))
    d.outlined([(298, 217), (320, 232), (306, 262), (272, 262), (272, 240)], (48, 80, 136))
    for k in (3, 6):
        d.line([(246 - k, 220 + k * 0.9), (233 - k * 0.2, 231 + k * 0.4), (244 - k * 0.2, 262)], 0.9,
               (236, 240, 250), taper=False)
        d.line([(299 + k, 220 + k * 0.9), (313 + k * 0.2, 231 + k * 0.4), (302 + k * 0.2, 262)], 0.9,
               (236, 240, 250), taper=False)
    d.outlined([(272, 240), (256, 252), (264, 258), (272, 246)], (214, 62, 72))
    d.outlined([(272, 240), (289, 252), (281, 258), (272, 246)], (190, 48, 62))
    d.outlined(ellipse(272, 244, 4, 4.4), (226, 84, 88))


FACE = curve((228, 110), (229, 140), (236, 166), (254, 188), (271, 198), (288, 188), (306, 166),
             (314, 140), (314, 110), (296, 84), (248, 84), (228, 110))


def face(d):
    for x, side in ((226, -1), (316, 1)):
        d.outlined(ellipse(x, 142, 6, 11, turn=0.15 * side), (246, 204, 180))
        d.line(curve((x - side, 136), (x + 2 * side, 142), (x - side, 148)), 0.8, (190, 128, 120))
    d.outlined(FACE, (252, 220, 198), 1.4)
    # Shade of the fringe.
    d.fill(curve((231, 112), (240, 124), (252, 119), (268, 126), (284, 119), (300, 125), (312, 113),
                 (300, 90), (244, 90), (231, 112)), (234, 184, 168))
    for x in (246, 298):
        d.fill(ellipse(x, 166, 9, 4.2), (248, 190, 176))
        for k in range(4):
            d.line([(x - 5 + 3 * k, 168.5), (x - 3 + 3 * k, 163.5)], 0.6, (226, 130, 128))
    d.line(curve((271, 160), (269, 167), (272, 169)), 0.9, (190, 122, 112))
    d.line(curve((259, 179), (265, 182), (272, 181), (279, 182), (285, 178)), 1.3, (150, 62, 70))
    d.line(curve((267, 186.5), (271, 187.4), (275, 186.5)), 0.8, (206, 140, 130))


def eye(d, x, y, side):
    """side -1: the left one of the picture."""
    white = curve((x - 14, y + 2), (x - 9, y - 9), (x, y - 12.5), (x + 10, y - 9), (x + 13, y + 3),
                  (x + 7, y + 11), (x, y + 12.5), (x - 8, y + 11), (x - 14, y + 2))
    d.fill(white, (252, 252, 255))
    d.fill(curve((x - 13, y - 2), (x - 9, y - 9), (x, y - 12.5), (x + 10, y - 9), (x + 13, y - 1),
                 (x, y - 6), (x - 13, y - 2)), (204, 208, 226))
    d.outlined(ellipse(x, y + 0.5, 8.6, 11.6), (44, 92, 104), 1.0)
    d.fill(ellipse(x, y + 4, 7.4, 8), (58, 150, 150))
    d.fill(ellipse(x, y + 7.4, 5.6, 4.2), (134, 214, 190))
    for k in range(9):
        a = math.pi * (0.14 + 0.09 * k)
        d.line([(x + 4 * math.cos(a), y + 1.5 + 5 * math.sin(a)),
                (x + 7.4 * math.cos(a), y + 1.5 + 9.6 * math.sin(a))], 0.5, (30, 104, 116))
    d.fill(ellipse(x, y, 3.7, 5), (24, 36, 56))
    d.fill(ellipse(x - 3.2, y - 5, 3.1, 3.8), (255, 255, 255))
    d.fill(ellipse(x + 4, y + 5.6, 1.6, 2), (255, 255, 255))
    lid = curve((x - 15 if side < 0 else x - 13, y + 1.5), (x - 9, y - 10), (x, y - 13.6),
                (x + 10, y - 10), (x + 15 if side > 0 else x + 13, y + 1.5))
    d.line(lid, 3.4)
    for k in range(3):
        bx = x + side * (11 + 1.6 * k)
        by = y - 7 + 3.2 * k
        d.line([(bx, by), (bx + side * 3, by - 2), (bx + side * 5.4, by - 4.4)], 1.2)
    d.line(curve((x - 7, y + 12.6), (x, y + 13.8), (x + 7, y + 12.6)), 1.1, (116, 72, 84))
    d.line(curve((x - 11, y - 15), (x, y - 18.4), (x + 11, y - 15)), 0.8, (190, 128, 120))
    d.line(curve((x - 12, y - 24 + 2 * (side < 0)), (x, y - 28), (x + 12, y - 24 + 2 * (side > 0))), 2.0)


def hair_front(d):
    d.outlined(curve((222, 150), (218, 112), (230, 76), (252, 58), (276, 54), (302, 62), (320, 84),
                     (326, 114), (322, 150), (316, 124), (308, 104), (306, 122), (296, 100),
                     (292, 124), (278, 98), (270, 127), (260, 98), (250, 123), (244, 102),
                     (236, 124), (230, 118), (222, 150)), (84, 104, 160), 1.5)
    # The gloss: two rows of tapering flats.
    for k in range(11):
        x = 236 + 7.6 * k
        y = 86 - 9 * math.sin(math.pi * k / 10)
        d.line([(x, y), (x + 0.6, y + 5), (x, y + 9 + 2 * (k % 2))], 3.4, (150, 172, 214))
        d.line([(x + 2, y + 1), (x + 2.4, y + 4), (x + 2, y + 6)], 1.5, (222, 232, 248))
    for pts in (((252, 60), (246, 80), (246, 104)), ((268, 56), (262, 78), (262, 100)),
                ((286, 58), (286, 80), (280, 100)), ((302, 64), (304, 84), (298, 102)),
                ((238, 70), (230, 94), (230, 116)), ((314, 76), (318, 98), (316, 122))):
        d.line(curve(*pts), 1.0, (48, 62, 108))
    # Locks beside the face, and one that stands up.
    d.outlined(curve((224, 118), (218, 150), (222, 186), (228, 206), (231, 180), (229, 150),
                     (232, 122), (224, 118)), (84, 104, 160), 1.2)
    d.outlined(curve((321, 118), (326, 150), (323, 186), (317, 206), (314, 180), (316, 150),
                     (312, 122), (321, 118)), (74, 92, 146), 1.2)
    d.outlined(curve((270, 56), (274, 44), (288, 38), (282, 46), (281, 57), (270, 56)),
               (84, 104, 160), 1.2)
    # A ribbon.
    d.outlined(curve((318, 80), (330, 66), (344, 68), (340, 80), (326, 86), (318, 80)),
               (222, 70, 78), 1.2)
    d.outlined(curve((316, 82), (312, 64), (320, 54), (328, 62), (324, 78), (316, 82)),
               (236, 94, 96), 1.2)
    d.outlined(ellipse(320, 80, 4, 4), (250, 140, 130))
    d.line([(328, 72), (336, 72)], 0.8)
    d.line([(319, 70), (320, 62)], 0.8)


def soften(rows):
    """A little blur, (1 6 1) / 8 each way, in integers."""
    wide = []
    for row in rows:
        padded = row[:3] + row + row[-3:]
        wide.append([padded[i] + 6 * padded[i + 3] + padded[i + 6] for i in range(len(row))])
    padded = wide[:1] + wide + wide[-1:]
    return [bytes((a + 6 * b + c + 32) // 64 for a, b, c in zip(*padded[y:y + 3])) for y in range(H)]


def png(rows):
    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data +
                struct.pack('>I', zlib.crc32(kind + data)))
    # Filter 1 (left neighbour) suits flat shading.
    raw = b''
    for row in rows:
        raw += b'\1' + bytes((v - (row[i - 3] if i > 2 else 0)) & 255 for i, v in enumerate(row))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', W, H, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(raw, 9)) + chunk(b'IEND', b''))


def main():
    d = Canvas()
    for part in (sky, hills, lighthouse, sign, hair_behind, body, face):
        part(d)
    eye(d, 248, 144, -1)
    eye(d, 296, 144, 1)
    hair_front(d)
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '..', 'docs',
                                                             'sample.png')
    with open(out, 'wb') as f:
        f.write(png(soften(d.small())))


main()
