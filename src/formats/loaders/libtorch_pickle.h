#pragma once

#include <string_view>

#include "core/limits.h"
#include "formats/loaders/libtorch_unpickler.h"
#include "formats/loaders/outcome.h"
#include "formats/zip.h"
#include "io/source.h"

namespace torchvet {

/// How LibTorch ends that reads the pickle `NAME.pkl` of an archive, whose storages are the records
/// `NAME/KEY`. The exception still has the name that whoever told of it knows: what the reader of archives
/// says that of Python ("RuntimeError"), what the unpickler says that of C++ ("c10::Error").
[[nodiscard]] LoadOutcome unpickle_as_libtorch(const Source& source, const ZipDirectory& zip,
                                               std::string_view name, const Limits& limits,
                                               LibtorchReading reading = {});

/// The outcome with the exception's name as C++ throws it, or as Python sees what C++ throws.
[[nodiscard]] LoadOutcome in_cpp(LoadOutcome outcome);
[[nodiscard]] LoadOutcome in_python(LoadOutcome outcome);

}  // namespace torchvet
