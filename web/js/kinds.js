// SPDX-License-Identifier: MIT
// What a file is by its name, as src/base/suffix.c has it.
const films = new RegExp('\\.(mp4|m4v|mov|mkv|webm|avi|flv|mpg|mpeg|ts|m2ts|mts|vob|wmv|ogv|mxf|y4m|' +
    '3gp|asf|divx|nut)$', 'i');
const pictures = new RegExp('\\.(png|jpg|jpeg|jpe|jfif|webp|tif|tiff|avif|heic|heif|jxl|gif|bmp|ppm|' +
    'pgm|pbm|pnm|pam|apng)$', 'i');

export const isFilm = (name) => films.test(name);
export const isMedia = (name) => films.test(name) || pictures.test(name);
