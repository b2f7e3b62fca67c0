#pragma once

#include <cstdio>
#include <string>
#include <string_view>

/// Writes tar archives by hand, so that a test can make one thing wrong.
class TarBuilder {
 public:
  /// A member with a right header, and its data.
  TarBuilder& add(std::string_view name, std::string_view data, char type = '0',
                  std::string_view link = "") {
    bytes_ += header(name, data.size(), type, link);
    bytes_ += data;
    bytes_ += std::string((512 - data.size() % 512) % 512, '\0');
    return *this;
  }
  /// Any bytes.
  TarBuilder& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  /// The archive with the blocks of zeros that end it.
  [[nodiscard]] std::string build() const { return bytes_ + std::string(1024, '\0'); }
  [[nodiscard]] const std::string& without_end() const { return bytes_; }

  [[nodiscard]] static std::string header(std::string_view name, std::size_t size, char type = '0',
                                          std::string_view link = "") {
    std::string block(512, '\0');
    block.replace(0, name.size(), name);
    put_octal(block, 100, 7, 0644);
    put_octal(block, 124, 11, size);
    block[156] = type;
    block.replace(157, link.size(), link);
    block.replace(257, 8,
                  std::string_view("ustar\0"
                                   "00",
                                   8));
    block.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put_octal(block, 148, 6, sum);
    block[154] = '\0';
    return block;
  }
  /// One record of a PAX header: "LENGTH KEY=VALUE\n", the length counting itself.
  [[nodiscard]] static std::string pax(std::string_view key, std::string_view value) {
    const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
    std::size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    return std::to_string(length) + rest;
  }

 private:
  static void put_octal(std::string& block, std::size_t at, int digits, std::size_t number) {
    char text[32];
    std::snprintf(text, sizeof(text), "%0*zo", digits, number);
    block.replace(at, static_cast<std::size_t>(digits), text);
  }

  std::string bytes_;
};
