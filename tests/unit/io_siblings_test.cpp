#include <filesystem>
#include <string>

#include "io/folder_names.h"
#include "io/source.h"
#include "unit/catch.h"
#include "unit/temporary_folder.h"

using namespace torchvet;
namespace fs = std::filesystem;

TEST_CASE("files beside one are opened by plain names only") {
  const TemporaryFolder folder;
  const auto index = Source::open(folder.write("index.json", "{}"));
  REQUIRE(index);
  folder.write("shard", "abc");
  const auto shard = (*index)->sibling("shard");
  REQUIRE(shard);
  CHECK((*shard)->bytes().text() == "abc");
  CHECK((*index)->sibling_names() == std::vector<std::string>{"index.json", "shard"});
  CHECK((*index)->sibling("none").error().code == ErrorCode::kFileNotFound);
  for (const std::string name : {"", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b"}) {
    CHECK((*index)->sibling(name).error().code == ErrorCode::kUnsafePath);
  }
  CHECK((*index)->sibling(std::string("a\0b", 3)).error().code == ErrorCode::kUnsafePath);
  CHECK(Source::from_bytes("-", "{}")->sibling("shard").error().code == ErrorCode::kFileNotFound);
  CHECK(Source::from_bytes("-", "{}")->sibling_names().empty());
}

TEST_CASE("a link out of the folder is followed only where the first file is one") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path("blobs"));
  fs::create_directories(folder.path("snapshot"));
  folder.write("blobs/1", "index");
  folder.write("blobs/2", "shard");
  folder.write("snapshot/real", "index");
  folder.write("snapshot/beside", "shard");
  fs::create_symlink("../blobs/1", folder.path("snapshot/index"));
  fs::create_symlink("../blobs/2", folder.path("snapshot/out"));
  fs::create_symlink("beside", folder.path("snapshot/in"));
  fs::create_symlink("nowhere", folder.path("snapshot/broken"));

  const auto real = Source::open(folder.path("snapshot/real"));
  REQUIRE(real);
  CHECK((*real)->sibling("out").error().code == ErrorCode::kUnsafePath);
  CHECK((*real)->sibling("in"));
  CHECK((*real)->sibling("broken").error().code == ErrorCode::kFileNotFound);
  const auto linked = Source::open(folder.path("snapshot/index"));
  REQUIRE(linked);
  CHECK((*linked)->sibling("out"));
}

TEST_CASE("a change of a file beside one is a change of the whole") {
  const TemporaryFolder folder;
  const auto index = Source::open(folder.write("index.json", "{}"));
  folder.write("shard", "abc");
  REQUIRE((*index)->sibling("shard"));
  CHECK_FALSE((*index)->changed_while_read());
  folder.write("shard", "abcd");
  CHECK((*index)->changed_while_read());
}

TEST_CASE("a folder is listed once for all files in it") {
  const TemporaryFolder folder;
  const auto first = Source::open(folder.write("a/1", "x"));
  const auto second = Source::open(folder.write("a/2", "x"));
  const auto elsewhere = Source::open(folder.write("b/3", "x"));
  REQUIRE((first && second && elsewhere));
  FolderNames folders;
  const std::vector<std::string> both = {"1", "2"};
  CHECK(folders.beside(**first) == both);
  folder.write("a/later", "x");
  CHECK(folders.beside(**second) == both);
  CHECK(folders.beside(**elsewhere) == std::vector<std::string>{"3"});
  CHECK((*first)->sibling_names().size() == 3);
}
