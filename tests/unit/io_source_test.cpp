#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/source.h"
#include "io/walk.h"
#include "unit/catch.h"
#include "unit/temporary_folder.h"

using namespace torchvet;

TEST_CASE("a file is seen as it lies on disk") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", "0123456789");
  const auto source = Source::open(path);
  REQUIRE(source);
  CHECK((*source)->bytes().text() == "0123456789");
  CHECK((*source)->path() == path);
  std::array<std::uint8_t, 3> three{};
  CHECK((*source)->read_at(7, three));
  CHECK(three[2] == '9');
  CHECK_FALSE((*source)->read_at(8, three));
  CHECK_FALSE((*source)->read_at(UINT64_MAX, three));
  CHECK_FALSE((*source)->changed_while_read());
}

TEST_CASE("views stay valid when pages are forgotten") {
  const TemporaryFolder folder;
  const auto source = Source::open(folder.write("model.pt", std::string(1 << 20, 'x') + "end"));
  REQUIRE(source);
  const ByteView bytes = (*source)->bytes();
  CHECK(bytes[0] == 'x');
  (*source)->forget_pages();
  CHECK(bytes.text().substr(1 << 20) == "end");
  const auto held = Source::from_bytes("-", "abc");
  held->forget_pages();
  CHECK(held->bytes().text() == "abc");
}

TEST_CASE("an empty file and bytes in memory") {
  const TemporaryFolder folder;
  const auto empty = Source::open(folder.write("empty.pt", ""));
  REQUIRE(empty);
  CHECK((*empty)->bytes().empty());
  const auto held = Source::from_bytes("-", "abc");
  CHECK(held->bytes().text() == "abc");
  std::array<std::uint8_t, 2> two{};
  CHECK(held->read_at(1, two));
  CHECK(two[1] == 'c');
  CHECK_FALSE(held->changed_while_read());
}

TEST_CASE("what cannot be opened is named") {
  const TemporaryFolder folder;
  CHECK(Source::open(folder.path("none")).error().code == ErrorCode::kFileNotFound);
  CHECK(Source::open(folder.path("")).error().code == ErrorCode::kNotAFile);
  REQUIRE(mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  CHECK(Source::open(folder.path("pipe")).error().code == ErrorCode::kNotAFile);
  const std::string closed = folder.write("closed.pt", "x");
  REQUIRE(chmod(closed.c_str(), 0) == 0);
  if (geteuid() != 0) {
    CHECK(Source::open(closed).error().code == ErrorCode::kPermissionDenied);
  }
}

TEST_CASE("a file that is cut while it is mapped reads as zeros and says so") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", std::string(3 * 65536, 'x'));
  const auto source = Source::open(path);
  REQUIRE(source);
  REQUIRE(truncate(path.c_str(), 10) == 0);
  CHECK((*source)->bytes()[2 * 65536] == 0);
  CHECK((*source)->bytes()[65536] == 0);
  CHECK((*source)->changed_while_read());
}

TEST_CASE("a file that is written to while it is open says so") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", "0123");
  const auto source = Source::open(path);
  REQUIRE(source);
  folder.write("model.pt", "012345");
  CHECK((*source)->changed_while_read());
}

TEST_CASE("a walk finds regular files, sorted, and follows links only when asked") {
  const TemporaryFolder folder;
  folder.write("b.pt", "b");
  folder.write("a/z.pt", "z");
  folder.write("a/.metadata", "m");
  std::filesystem::create_directory_symlink(folder.path("a"), folder.path("link"));
  std::filesystem::create_directory_symlink(folder.path(""), folder.path("a/up"));
  std::filesystem::create_symlink(folder.path("nowhere"), folder.path("dangling"));

  const auto plain = walk(folder.path(""), {});
  REQUIRE(plain);
  CHECK(plain->files == std::vector<std::string>{folder.path("a/.metadata"), folder.path("a/z.pt"),
                                                 folder.path("b.pt")});
  CHECK(plain->errors.empty());
  const auto followed = walk(folder.path(""), {.follow_symlinks = true});
  REQUIRE(followed);
  CHECK(followed->files.size() == 3);  // each folder once, whatever links lead to it
  CHECK(followed->errors.empty());
}

TEST_CASE("a walk names a root that is no folder") {
  const TemporaryFolder folder;
  CHECK(walk(folder.path("none"), {}).error().code == ErrorCode::kFileNotFound);
  CHECK(walk(folder.write("file", ""), {}).error().code == ErrorCode::kNotAFile);
}

TEST_CASE("an atomic write replaces the whole file and leaves nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.write("report.json", "old and longer");
  REQUIRE(write_atomically(path, "new"));
  CHECK((*Source::open(path))->bytes().text() == "new");
  CHECK(walk(folder.path(""), {})->files.size() == 1);

  std::filesystem::create_symlink(path, folder.path("link.json"));
  REQUIRE(write_atomically(folder.path("link.json"), "through"));
  CHECK(std::filesystem::is_symlink(folder.path("link.json")));
  CHECK((*Source::open(path))->bytes().text() == "through");

  REQUIRE(write_atomically("/dev/null", "gone"));
  const auto failed = write_atomically(folder.path("no/such/folder.json"), "x");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kWriteFailed);
}

TEST_CASE("files and folders beside a file are listed apart") {
  const TemporaryFolder folder;
  const auto source = Source::open(folder.write("model.pt", "x"));
  REQUIRE(source);
  std::filesystem::create_directory(folder.path("optimizer_0"));
  std::filesystem::create_symlink(folder.path("none"), folder.path("broken"));
  CHECK((*source)->sibling_names() == std::vector<std::string>{"model.pt"});
  CHECK((*source)->sibling_folders() == std::vector<std::string>{"optimizer_0"});
  CHECK(Source::from_bytes("-", "x")->sibling_folders().empty());
}
