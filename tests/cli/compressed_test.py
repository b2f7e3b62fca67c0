"""Models compressed as a whole: the same is said of them as of what is compressed in them; one that is cut off
fails, more than the limits allow is a gap, and in a folder they are found by their names.

usage: compressed_test.py TORCHVET
"""

import ctypes
import gzip
import json
import pathlib
import unittest

from project import CLEAN, FIXTURES, MODE, WARNING, Case

READERS = FIXTURES / "readers"


def zstd(content: bytes) -> bytes:
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    size = library.ZSTD_compressBound(ctypes.c_size_t(len(content)))
    out = ctypes.create_string_buffer(size)
    size = library.ZSTD_compress(out, ctypes.c_size_t(size), content, ctypes.c_size_t(len(content)), 3)
    return out.raw[:size]


COMPRESS = {".gz": gzip.compress, ".zst": zstd}


class Compressed(Case):
    def put(self, name: str, content: bytes) -> pathlib.Path:
        path = self.project / "models" / name
        path.write_bytes(content)
        return path

    def inspected(self, path: pathlib.Path) -> dict:
        run = self.run_program("inspect", "--what", "tensors,pickle,members", "--digests", "--format", "json", path)
        self.assertIn(run.returncode, (0, 3), run.stderr)
        said = json.loads(run.stdout)
        del said["path"]
        return said

    def findings(self, path: pathlib.Path) -> tuple[int, list]:
        run = self.run_program("check", "--isolated", "--json", path)
        report = json.loads(run.stdout)
        return run.returncode, [(f["code"], f["severity"], f["message"]) for f in report["findings"]]

    def test_every_reader_sees_the_same(self):
        sources = sorted(READERS.glob("*.pt")) + [MODE]
        self.assertGreater(len(sources), 20)
        for source in sources:
            whole = self.inspected(source)
            for ending, compress in COMPRESS.items():
                path = self.put(source.name + ending, compress(source.read_bytes()))
                self.assertEqual(self.inspected(path), whole, path)

    def test_the_same_is_found(self):
        for source in (MODE, WARNING, CLEAN):
            whole = self.findings(source)
            for ending, compress in COMPRESS.items():
                path = self.put(source.name + ending, compress(source.read_bytes()))
                self.assertEqual(self.findings(path), whole)

    def test_one_that_is_cut_off(self):
        for ending, compress in COMPRESS.items():
            path = self.put("cut.pt" + ending, compress(CLEAN.read_bytes())[:-5])
            code, found = self.findings(path)
            self.assertEqual((code, [finding[0] for finding in found]), (1, ["FMT001"]))

    def test_more_than_the_limit_allows_is_a_gap(self):
        for ending, compress in COMPRESS.items():
            path = self.put("net.pt" + ending, compress(CLEAN.read_bytes()))
            run = self.run_program("check", "--isolated", "--limit", "decompressed-bytes=100", path)
            self.assertEqual(run.returncode, 3, run.stdout)
            self.assertIn("decompressed-bytes", run.stdout)
        bomb = self.put("bomb.pt.zst", zstd(bytes(100 << 20)))
        run = self.run_program("check", "--isolated", bomb)
        self.assertEqual(run.returncode, 3, run.stdout)
        self.assertIn("inflate-ratio", run.stdout)

    def test_without_a_place_to_unpack_it_is_a_gap(self):
        path = self.put("net.pt.gz", gzip.compress(CLEAN.read_bytes()))
        run = self.run_program("check", "--isolated", path, TMPDIR="/nowhere")
        self.assertEqual(run.returncode, 3, run.stdout)
        self.assertIn("/nowhere", run.stdout)

    def test_in_a_folder(self):
        self.put("net.pt.gz", gzip.compress(MODE.read_bytes()))
        self.put("table.csv.gz", gzip.compress(b"1,2\n"))
        run = self.run_program("check", "--isolated", "--json", "models")
        report = json.loads(run.stdout)
        self.assertEqual([one["path"] for one in report["artifacts"]], ["models/net.pt.gz"])
        self.assertEqual(run.returncode, 1)


if __name__ == "__main__":
    unittest.main()
