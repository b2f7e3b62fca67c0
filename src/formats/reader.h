#pragma once

#include <memory>
#include <string_view>

#include "formats/read.h"

namespace torchvet {

/// One reader a format; each fills the same neutral model and never fails, only leaves faults and
/// gaps. To add a format: a row in detect.cpp, a reader here, a case in read.cpp.
using Reader = void (*)(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);

/// In an archive for the lite interpreter, its program.
inline constexpr std::string_view kBytecodeMember = "bytecode.pkl";

void read_torch_zip(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_torch_legacy(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_torch_tar(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_torchscript(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_torch_package(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_exported_program(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_safetensors(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_sharded_index(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
/// The shards that an index names, each once.
std::vector<std::string> shards_of_index(const Source&, const Limits&);
void read_dcp(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_dcp_parts(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_training_folder(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);
void read_raw_pickle(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);

}  // namespace torchvet
