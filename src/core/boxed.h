#pragma once

#include <memory>
#include <utility>

namespace torchvet {

/// A value that lies by itself on the heap, or nothing: for what is large and rare beside what is
/// small and common. A copy is a copy of the value.
template <typename T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT: stands for a T
  Boxed(const Boxed& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) { return *this = Boxed(other); }
  Boxed& operator=(Boxed&&) noexcept = default;
  ~Boxed() = default;

  /// Null when there is nothing.
  [[nodiscard]] const T* get() const { return value_.get(); }
  [[nodiscard]] T* get() { return value_.get(); }
  /// The value, made where there was none.
  [[nodiscard]] T& made() {
    if (!value_) value_ = std::make_unique<T>();
    return *value_;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace torchvet
