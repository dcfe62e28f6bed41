// A user's file of texts: what its lines are, and what is named as something else.
import { gzipSync } from "node:zlib";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { npyBytes } from "../../data/formats/npy.ts";
import { readTextLines } from "../../data/footage/lines.ts";
import { FormatError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const utf8 = new TextEncoder();

/** The lines of a file of these bytes. */
async function linesOf(content: string | Uint8Array, name = "texts.txt"): Promise<readonly string[]> {
  let lines: readonly string[] = [];
  await inTemporary(async (folder) => {
    writeFileSync(join(folder, name), content);
    ({ lines } = await readTextLines(join(folder, name)));
  });
  return lines;
}

const lists: [what: string, content: string | Uint8Array, lines: string[]][] = [
  ["lines of any ending", "a\r\nb\nc\rd", ["a", "b", "c", "d"]],
  ["a byte order mark, which is no part of a text", "\ufeffa\nb\n", ["a", "b"]],
  ["empty lines, which are texts, but for those at the end", "\na\n\nb\n\n\n", ["", "a", "", "b"]],
  ["a line that begins like a list", "[laughs] well\n{wait}\n", ["[laughs] well", "{wait}"]],
  ["templates", "{}\na {} person\n", ["{}", "a {} person"]],
  ["words that other files begin with", "ID3 is a tag\nRar! he says", ["ID3 is a tag", "Rar! he says"]],
  ["commas and times", "12:30, at last\n1\n2", ["12:30, at last", "1", "2"]],
];

for (const [what, content, lines] of lists)
  test(`a list of texts may have ${what}`, async () => assert.equal(await linesOf(content), lines));

const utf16 = (text: string, mark: boolean) => Buffer.from(`${mark ? "\ufeff" : ""}${text}`, "utf16le");
const srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nhello\r\n";

const others: [what: string, content: string | Uint8Array, name: string, message: RegExp][] = [
  ["subtitles", srt, "film.srt", /^film\.srt: is no list of texts, but subtitles \(SubRip\); write what is said/],
  ["subtitles by another name", `\ufeff\n${srt}`, "film.txt", /subtitles \(SubRip\)/],
  ["WebVTT", "WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n", "film.vtt", /subtitles \(WebVTT\)/],
  ["SubStation", "[Script Info]\nTitle: x\n", "film.ass", /subtitles/],
  ["frames of MicroDVD", "{10}{40}hello\n", "film.sub", /subtitles/],
  ["JSON", '{"a": "b"}\n', "texts.txt", /but JSON;/],
  ["JSON lines", '{"a": 1}\n{"a": 2}\n', "texts.txt", /but JSON;/],
  ["a table", "id,text\n1,hello\n", "texts.csv", /but a table; write its column of texts into a \.txt file/],
  ["a page", "<!DOCTYPE html><p>hello", "x.html", /a page or XML/],
  ["a zip archive", Buffer.from("PK\x03\x04\x14\0\0\0", "latin1"), "texts.txt", /a zip archive \(also \.docx/],
  ["gzip", gzipSync("hello"), "texts.txt", /but gzip; unpack it/],
  ["a film", Buffer.from("\0\0\0\x20ftypisom\0\0\x02\0", "latin1"), "talk.mp4", /a video .*: emotionclip encode video/],
  [
    "a picture",
    Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1"),
    "a.png",
    /a picture \(PNG\); encode images takes it/,
  ],
  [
    "an array",
    Buffer.concat([...npyBytes([{ shape: [1, 1], data: Float32Array.of(1) }])]),
    "x.npy",
    /an array \(\.npy\)/,
  ],
  ["UTF-16", utf16("hello\nyou\n", true), "texts.txt", /but UTF-16; save it as UTF-8/],
  ["UTF-16 without a mark", utf16("hello\nyou\n", false), "texts.txt", /UTF-16 without a byte order mark/],
  ["a NUL", "hello\nyou\0\n", "texts.txt", /binary: byte 9 is NUL/],
  ["Latin-1", Uint8Array.of(0x68, 0xe9, 10), "texts.txt", /not valid UTF-8; save it as UTF-8/],
  ["nothing but blanks", " \n\t\n", "texts.txt", /has no text/],
  ["a line that is no text", utf8.encode(`a\n${"b".repeat(100_001)}`), "texts.txt", /line 2 has 100001 characters/],
  ["a million empty lines of an old Mac", "\r".repeat(1_000_001), "texts.txt", /more than 1000000 lines/],
];

for (const [what, content, name, message] of others)
  test(`${what}: named for what it is`, async () => {
    const error = await refusal(linesOf(content, name), what);
    assert.instance(error, FormatError);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(`${name}: `));
  });

test.run();
