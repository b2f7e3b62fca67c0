#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

struct Detected {
  Format format = Format::kUnknown;
  /// For kNotAModel, kLfsPointer and kPlainZip, words for people: "an HTML page". It may quote the
  /// file, so it is text from the artifact like any other.
  std::string looks_like;
  std::optional<LfsPointer> lfs_pointer;
};

/// Tells the format by content alone. A zip without a readable directory (cut off, mostly) is still
/// a torch zip when its first member is in a folder, as torch's are; its reader then says what is
/// wrong. Costs the first pages of the file and, for a zip, its central directory.
[[nodiscard]] Detected detect(ByteView file, const Limits& limits);

/// True for formats that hold a model or stand in for one (a Git LFS pointer): a file of such a
/// format is checked wherever it is found. False for what is no model, or cannot be told.
[[nodiscard]] bool is_model_format(Format format);

/// True for names that promise a model whatever the content turns out to be: .pt .pth .ckpt .jit
/// .torchscript .pt2 .ptl .safetensors pytorch_model*.bin ..., also with .gz or .zst behind; used
/// only to choose files in a directory, never to tell a format. Endings that mean other things too
/// (.bin, .ts, .pkl) are not among them: such files are chosen by content.
[[nodiscard]] bool has_model_extension(std::string_view path);

/// True for names of files that may stand for several: `model.safetensors.index.json`, and each
/// part of a training checkpoint that is a folder, any of which may be the one that is left, the
/// parts of a distributed one, `latest` of DeepSpeed.
[[nodiscard]] bool names_parts(std::string_view path);

}  // namespace torchvet
