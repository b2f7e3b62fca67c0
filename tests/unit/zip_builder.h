#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// Builds zip archives byte by byte, so that a test can make exactly one thing wrong: every field
/// that a reader looks at can be replaced by a lie before the archive is put together.
class ZipBuilder {
 public:
  struct Item {
    std::string name;
    std::string data;        ///< as it lies in the file
    std::uint64_t size = 0;  ///< inflated size, for the directory
    std::uint64_t compressed = 0;
    std::uint16_t method = 0;
    std::uint16_t flags = 0x0808;
    std::uint32_t crc32 = 0;
    std::string local_extra;
    std::string local_magic = std::string("PK\3\4", 4);
    std::uint64_t header_offset = 0;  ///< filled by `build`, unless `lie_about_offset`
    bool lie_about_offset = false;
    std::uint32_t attributes = 0;
    bool zip64 = false;  ///< its numbers go into a zip64 field
  };
  struct End {
    std::uint64_t entries = 0, directory_size = 0, directory_offset = 0;
    bool write_end = true;
    bool write_zip64 = false;
    bool saturate = false;  ///< the plain record holds 0xFFFF..., the zip64 record the truth
    std::uint16_t disk = 0;
    std::string comment;
    std::string trailing;  ///< junk behind the archive
  };

  std::vector<Item> items;
  /// Changes what the end records say, after they were computed.
  std::function<void(End&)> tamper = [](End&) {};

  ZipBuilder& add(std::string name, std::string data) {
    Item item;
    item.name = std::move(name);
    item.size = item.compressed = data.size();
    item.data = std::move(data);
    items.push_back(std::move(item));
    return *this;
  }
  Item& last() { return items.back(); }

  [[nodiscard]] std::string build() {
    std::string out;
    for (Item& item : items) {
      if (!item.lie_about_offset) item.header_offset = out.size();
      out += item.local_magic;
      put16(out, 0), put16(out, item.flags), put16(out, item.method), put32(out, 0);
      put32(out, 0), put32(out, 0), put32(out, 0);
      put16(out, item.name.size()), put16(out, item.local_extra.size());
      out += item.name + item.local_extra + item.data;
    }
    End end;
    end.directory_offset = out.size();
    for (const Item& item : items) append_entry(out, item);
    end.directory_size = out.size() - end.directory_offset;
    end.entries = items.size();
    tamper(end);
    if (end.write_zip64) append_zip64(out, end);
    if (end.write_end) append_end(out, end);
    return out + end.trailing;
  }

 private:
  template <typename T>
  static void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
  }
  static void put16(std::string& out, std::uint64_t v) { put(out, static_cast<std::uint16_t>(v)); }
  static void put32(std::string& out, std::uint64_t v) { put(out, static_cast<std::uint32_t>(v)); }
  static void put64(std::string& out, std::uint64_t v) { put(out, v); }

  static void append_entry(std::string& out, const Item& item) {
    std::string extra;
    if (item.zip64) {
      put16(extra, 1), put16(extra, 24);
      put64(extra, item.size), put64(extra, item.compressed), put64(extra, item.header_offset);
    }
    out += std::string("PK\1\2", 4);
    put16(out, 0), put16(out, 0), put16(out, item.flags), put16(out, item.method);
    put32(out, 0), put32(out, item.crc32);
    put32(out, item.zip64 ? 0xFFFFFFFF : item.compressed);
    put32(out, item.zip64 ? 0xFFFFFFFF : item.size);
    put16(out, item.name.size()), put16(out, extra.size()), put16(out, 0);
    put16(out, 0), put16(out, 0), put32(out, item.attributes);
    put32(out, item.zip64 ? 0xFFFFFFFF : item.header_offset);
    out += item.name + extra;
  }

  static void append_zip64(std::string& out, const End& end) {
    const std::uint64_t record = out.size();
    out += std::string("PK\6\6", 4);
    put64(out, 44), put16(out, 0), put16(out, 0), put32(out, 0), put32(out, 0);
    put64(out, end.entries), put64(out, end.entries);
    put64(out, end.directory_size), put64(out, end.directory_offset);
    out += std::string("PK\6\7", 4);
    put32(out, 0), put64(out, record), put32(out, 1);
  }

  static void append_end(std::string& out, const End& end) {
    const auto plain = [&](std::uint64_t truth, std::uint64_t full) {
      return end.saturate ? full : truth;
    };
    out += std::string("PK\5\6", 4);
    put16(out, end.disk), put16(out, end.disk);
    put16(out, plain(end.entries, 0xFFFF)), put16(out, plain(end.entries, 0xFFFF));
    put32(out, plain(end.directory_size, 0xFFFFFFFF));
    put32(out, plain(end.directory_offset, 0xFFFFFFFF));
    put16(out, end.comment.size());
    out += end.comment;
  }
};

}  // namespace torchvet
