// Names that pickles import, judged. One table for what is dangerous, with a reason for each entry;
// everything that reports on imports asks here.

#include "model/pickle_globals.h"

#include <algorithm>
#include <span>
#include <string>
#include <unordered_set>

namespace torchvet {
namespace {

struct Entry {
  std::string_view module;
  std::string_view name;  ///< "*": every name of the module and of the modules in it
  GlobalRisk risk;
  std::string_view reason;
};

constexpr GlobalRisk kBad = GlobalRisk::kDangerous;
constexpr GlobalRisk kHidden = GlobalRisk::kHides;

constexpr std::string_view kRunsPrograms = "starts programs";
constexpr std::string_view kRunsCode = "runs Python code given as text or bytecode";
constexpr std::string_view kImports = "imports modules, which runs their code";
constexpr std::string_view kReaches = "reaches any attribute of an object, so any function";
constexpr std::string_view kFiles = "reads, writes or deletes files";
constexpr std::string_view kNetwork = "opens network connections";
constexpr std::string_view kNative = "loads native libraries or touches memory";
constexpr std::string_view kNested = "loads another pickle, without any restriction";
constexpr std::string_view kState = "changes the running interpreter";
constexpr std::string_view kBuildsCode = "builds functions or classes from what the file holds";
constexpr std::string_view kInner = "loads a pickle inside this one, which is not analysed";

// clang-format off
constexpr Entry kTable[] = {
    // The interpreter and its modules for the operating system.
    {"os", "*", kBad, "reaches the operating system: programs, files, environment"},
    {"posix", "*", kBad, "reaches the operating system: programs, files, environment"},
    {"nt", "*", kBad, "reaches the operating system: programs, files, environment"},
    {"subprocess", "*", kBad, kRunsPrograms},
    {"_posixsubprocess", "*", kBad, kRunsPrograms},
    {"_winapi", "*", kBad, kRunsPrograms},
    {"popen2", "*", kBad, kRunsPrograms},
    {"commands", "getoutput", kBad, kRunsPrograms},
    {"commands", "getstatusoutput", kBad, kRunsPrograms},
    {"pty", "*", kBad, kRunsPrograms},
    {"platform", "popen", kBad, kRunsPrograms},
    {"webbrowser", "*", kBad, "starts a browser, or the program that BROWSER names"},
    {"antigravity", "*", kBad, "starts a browser"},
    {"sys", "*", kBad, kState},
    {"builtins", "eval", kBad, kRunsCode},
    {"builtins", "exec", kBad, kRunsCode},
    {"builtins", "compile", kBad, kRunsCode},
    {"builtins", "execfile", kBad, kRunsCode},
    {"builtins", "__import__", kBad, kImports},
    {"builtins", "reload", kBad, kImports},
    {"builtins", "open", kBad, kFiles},
    {"builtins", "file", kBad, kFiles},
    {"builtins", "breakpoint", kBad, "starts the debugger or what PYTHONBREAKPOINT names"},
    {"builtins", "input", kBad, "waits for input; evaluates it under Python 2"},
    {"builtins", "apply", kBad, "calls what it is given"},
    {"builtins", "globals", kBad, kReaches},
    {"builtins", "locals", kBad, kReaches},
    {"builtins", "vars", kBad, kReaches},
    {"builtins", "setattr", kBad, "changes attributes of any object"},
    {"builtins", "delattr", kBad, "changes attributes of any object"},
    {"builtins", "exit", kBad, "ends the process"},
    {"builtins", "quit", kBad, "ends the process"},
    {"builtins", "help", kBad, "starts a pager"},
    {"__builtin__", "*", kBad, "names the built-in functions in a way that hides them"},
    {"__builtins__", "*", kBad, "names the built-in functions in a way that hides them"},
    {"importlib", "*", kBad, kImports},
    {"_frozen_importlib", "*", kBad, kImports},
    {"_frozen_importlib_external", "*", kBad, kImports},
    {"_imp", "*", kBad, kImports},
    {"imp", "*", kBad, kImports},
    {"pkgutil", "*", kBad, kImports},
    {"zipimport", "*", kBad, kImports},
    {"runpy", "*", kBad, kRunsCode},
    {"code", "InteractiveInterpreter", kBad, kRunsCode},
    {"code", "InteractiveConsole", kBad, kRunsCode},
    {"code", "interact", kBad, kRunsCode},
    {"codeop", "*", kBad, kRunsCode},
    {"_interpreters", "*", kBad, kRunsCode},
    {"_xxsubinterpreters", "*", kBad, kRunsCode},
    {"_testcapi", "*", kBad, kNative},
    {"pdb", "set_trace", kBad, kRunsCode},
    {"pdb", "run", kBad, kRunsCode},
    {"pdb", "runeval", kBad, kRunsCode},
    {"pdb", "runcall", kBad, kRunsCode},
    {"pdb", "Pdb", kBad, kRunsCode},
    {"pdb", "main", kBad, kRunsCode},
    {"pdb", "pm", kBad, kRunsCode},
    {"pdb", "post_mortem", kBad, kRunsCode},
    {"bdb", "*", kBad, kRunsCode},
    {"timeit", "timeit", kBad, kRunsCode},
    {"timeit", "repeat", kBad, kRunsCode},
    {"timeit", "main", kBad, kRunsCode},
    {"timeit", "Timer", kBad, kRunsCode},
    {"cProfile", "run", kBad, kRunsCode},
    {"cProfile", "runctx", kBad, kRunsCode},
    {"cProfile", "Profile", kBad, kRunsCode},
    {"profile", "run", kBad, kRunsCode},
    {"profile", "runctx", kBad, kRunsCode},
    {"profile", "Profile", kBad, kRunsCode},
    {"trace", "Trace", kBad, kRunsCode},
    {"doctest", "*", kBad, kRunsCode},
    {"idlelib", "*", kBad, kRunsCode},
    {"lib2to3", "*", kBad, kRunsCode},
    {"cgitb", "*", kBad, kRunsCode},
    {"pydoc", "*", kBad, "imports modules and starts a pager"},
    {"site", "addsitedir", kBad, kState},
    {"site", "main", kBad, kState},
    {"atexit", "*", kBad, "calls a function when the process ends"},
    {"signal", "signal", kBad, kState},
    {"signal", "alarm", kBad, kState},
    {"signal", "raise_signal", kBad, kState},
    {"signal", "pthread_kill", kBad, kState},
    {"gc", "*", kBad, kReaches},
    {"inspect", "currentframe", kBad, kReaches},
    {"inspect", "stack", kBad, kReaches},
    {"inspect", "getattr_static", kBad, kReaches},
    {"inspect", "getmembers", kBad, kReaches},
    {"inspect", "getmodule", kBad, kReaches},
    {"operator", "methodcaller", kBad, "calls a method by its name"},
    {"operator", "attrgetter", kBad, kReaches},
    {"_operator", "methodcaller", kBad, "calls a method by its name"},
    {"_operator", "attrgetter", kBad, kReaches},
    {"threading", "Thread", kBad, "calls what it is given in a thread"},
    {"_thread", "start_new_thread", kBad, "calls what it is given in a thread"},
    {"concurrent.futures", "*", kBad, "calls what it is given in a thread or process"},
    {"multiprocessing", "*", kBad, kRunsPrograms},
    {"asyncio", "create_subprocess_exec", kBad, kRunsPrograms},
    {"asyncio", "create_subprocess_shell", kBad, kRunsPrograms},
    {"asyncio.subprocess", "*", kBad, kRunsPrograms},
    {"asyncio.base_subprocess", "*", kBad, kRunsPrograms},
    {"asyncio.unix_events", "*", kBad, kRunsPrograms},
    {"asyncio.windows_utils", "*", kBad, kRunsPrograms},
    {"logging.config", "*", kBad, "imports and calls what a configuration names"},
    {"distutils.spawn", "*", kBad, kRunsPrograms},
    {"distutils.file_util", "*", kBad, kRunsPrograms},
    {"distutils.core", "*", kBad, kRunsPrograms},
    {"distutils.cmd", "*", kBad, kRunsPrograms},
    {"setuptools._distutils.spawn", "*", kBad, kRunsPrograms},
    {"ensurepip", "*", kBad, kRunsPrograms},
    {"venv", "create", kBad, kRunsPrograms},
    {"venv", "main", kBad, kRunsPrograms},
    {"pip", "main", kBad, kRunsPrograms},
    {"pip._internal", "*", kBad, kRunsPrograms},
    {"test.support", "*", kBad, kRunsPrograms},
    {"uuid", "_get_command_stdout", kBad, kRunsPrograms},
    {"uuid", "_popen", kBad, kRunsPrograms},
    {"_osx_support", "*", kBad, kRunsPrograms},
    {"_aix_support", "*", kBad, kRunsPrograms},
    {"_pyrepl", "*", kBad, kRunsPrograms},
    // Files, network, memory.
    {"io", "open", kBad, kFiles},
    {"io", "open_code", kBad, kFiles},
    {"io", "FileIO", kBad, kFiles},
    {"_io", "open", kBad, kFiles},
    {"_io", "open_code", kBad, kFiles},
    {"_io", "FileIO", kBad, kFiles},
    {"codecs", "open", kBad, kFiles},
    {"gzip", "open", kBad, kFiles},
    {"bz2", "open", kBad, kFiles},
    {"lzma", "open", kBad, kFiles},
    {"shutil", "*", kBad, kFiles},
    {"tempfile", "*", kBad, kFiles},
    {"fileinput", "*", kBad, kFiles},
    {"linecache", "*", kBad, kFiles},
    {"tarfile", "*", kBad, kFiles},
    {"zipfile", "*", kBad, kFiles},
    {"dbm", "*", kBad, kFiles},
    {"sqlite3", "*", kBad, kFiles},
    {"socket", "*", kBad, kNetwork},
    {"_socket", "*", kBad, kNetwork},
    {"socketserver", "*", kBad, kNetwork},
    {"ssl", "*", kBad, kNetwork},
    {"urllib.request", "*", kBad, kNetwork},
    {"urllib2", "*", kBad, kNetwork},
    {"http.client", "*", kBad, kNetwork},
    {"http.server", "*", kBad, kNetwork},
    {"httplib", "*", kBad, kNetwork},
    {"httpx", "*", kBad, kNetwork},
    {"requests", "get", kBad, kNetwork},
    {"requests", "post", kBad, kNetwork},
    {"requests", "put", kBad, kNetwork},
    {"requests", "delete", kBad, kNetwork},
    {"requests", "head", kBad, kNetwork},
    {"requests", "patch", kBad, kNetwork},
    {"requests", "request", kBad, kNetwork},
    {"requests", "Session", kBad, kNetwork},
    {"requests.api", "*", kBad, kNetwork},
    {"requests.sessions", "*", kBad, kNetwork},
    {"aiohttp", "*", kBad, kNetwork},
    {"ftplib", "*", kBad, kNetwork},
    {"imaplib", "*", kBad, kNetwork},
    {"poplib", "*", kBad, kNetwork},
    {"smtplib", "*", kBad, kNetwork},
    {"telnetlib", "*", kBad, kNetwork},
    {"xmlrpc", "*", kBad, kNetwork},
    {"paramiko", "*", kBad, kNetwork},
    {"ctypes", "*", kBad, kNative},
    {"_ctypes", "*", kBad, kNative},
    {"cffi", "*", kBad, kNative},
    {"mmap", "*", kBad, kNative},
    // Other loaders of pickles and code.
    {"pickle", "loads", kBad, kNested},
    {"pickle", "load", kBad, kNested},
    {"pickle", "Unpickler", kBad, kNested},
    {"_pickle", "loads", kBad, kNested},
    {"_pickle", "load", kBad, kNested},
    {"_pickle", "Unpickler", kBad, kNested},
    {"shelve", "*", kBad, kNested},
    {"joblib", "load", kBad, kNested},
    {"joblib.numpy_pickle", "load", kBad, kNested},
    {"copyreg", "add_extension", kBad, kState},
    {"copyreg", "pickle", kBad, kState},
    {"dill", "loads", kBad, kNested},
    {"dill", "load", kBad, kNested},
    {"dill._dill", "loads", kBad, kNested},
    {"cloudpickle", "loads", kBad, kNested},
    {"cloudpickle", "load", kBad, kNested},
    {"pandas", "read_pickle", kBad, kNested},
    {"pandas.io.pickle", "read_pickle", kBad, kNested},
    {"pandas", "eval", kBad, kRunsCode},
    {"marshal", "*", kBad, "loads bytecode"},
    {"yaml", "load", kBad, "loads YAML, which can name Python objects to make"},
    {"yaml", "load_all", kBad, "loads YAML, which can name Python objects to make"},
    {"yaml", "full_load", kBad, "loads YAML, which can name Python objects to make"},
    {"yaml", "unsafe_load", kBad, "loads YAML, which can name Python objects to make"},
    {"yaml", "unsafe_load_all", kBad, "loads YAML, which can name Python objects to make"},
    {"types", "CodeType", kHidden, kBuildsCode},
    {"types", "FunctionType", kHidden, kBuildsCode},
    {"types", "ModuleType", kHidden, kBuildsCode},
    {"cloudpickle", "*", kHidden, kBuildsCode},
    {"dill", "*", kHidden, kBuildsCode},
    // numpy.
    {"numpy", "load", kBad, kNested},
    {"numpy.lib.npyio", "*", kBad, kNested},
    {"numpy.lib._npyio_impl", "*", kBad, kNested},
    {"numpy", "fromfile", kBad, kFiles},
    {"numpy", "loadtxt", kBad, kFiles},
    {"numpy", "genfromtxt", kBad, kFiles},
    {"numpy", "savetxt", kBad, kFiles},
    {"numpy", "save", kBad, kFiles},
    {"numpy.f2py", "*", kBad, kRunsPrograms},
    {"numpy.distutils", "*", kBad, kRunsPrograms},
    {"numpy.testing", "*", kBad, kRunsCode},
    {"numpy.ctypeslib", "*", kBad, kNative},
    // torch.
    {"torch", "load", kBad, kNested},
    {"torch.serialization", "load", kBad, kNested},
    {"torch.serialization", "_load", kBad, kNested},
    {"torch.serialization", "_legacy_load", kBad, kNested},
    {"torch.storage", "_load_from_bytes", kHidden, kInner},
    {"torch.hub", "*", kBad, "downloads code and runs it"},
    {"torch.package", "*", kBad, "runs the code of a package file"},
    {"torch.jit", "load", kBad, "loads another program from a file"},
    {"torch.jit", "CompilationUnit", kBad, kRunsCode},
    {"torch.jit.unsupported_tensor_ops", "*", kBad, kRunsCode},
    {"torch.ops", "load_library", kBad, kNative},
    {"torch._ops", "_Ops", kBad, kNative},
    {"torch.classes", "load_library", kBad, kNative},
    {"torch.utils.cpp_extension", "*", kBad, "compiles and loads native code"},
    {"torch.utils.collect_env", "*", kBad, kRunsPrograms},
    {"torch.utils.bottleneck", "*", kBad, kRunsCode},
    {"torch.utils._config_module", "*", kBad, kNested},
    {"torch.utils.data.datapipes.utils.decoder", "*", kBad, kNested},
    {"torch.utils.model_zoo", "*", kBad, kNetwork},
    {"torch.utils.file_baton", "*", kBad, kFiles},
    {"torch.distributed.run", "*", kBad, kRunsPrograms},
    {"torch.distributed.launch", "*", kBad, kRunsPrograms},
    {"torch.distributed.elastic", "*", kBad, kRunsPrograms},
    {"torch.distributed.rpc", "*", kBad, kNetwork},
    {"torch.multiprocessing", "*", kBad, kRunsPrograms},
    {"torch._inductor.codecache", "*", kBad, "compiles and loads native code"},
    {"torch._inductor.cpp_builder", "*", kBad, "compiles and loads native code"},
    {"torch._dynamo.guards", "GuardBuilder", kBad, kRunsCode},
    {"torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression", kBad, kRunsCode},
    {"torch.fx.graph_module", "reduce_graph_module", kHidden, kBuildsCode},
    {"torch.fx.graph_module", "reduce_package_graph_module", kHidden, kBuildsCode},
    {"torch.fx.graph_module", "reduce_deploy_graph_module", kHidden, kBuildsCode},
    {"torch.fx.graph_module", "_forward_from_src", kHidden, kBuildsCode},
    {"torch.fx.graph_module", "_exec_with_source", kHidden, kBuildsCode},
    {"torch.testing._internal", "*", kBad, kRunsCode},
};

/// Modules that other modules import and so carry as attributes: ("logging", "os") is the module os.
/// The names of the first row are those of nothing else; those of the second are ordinary words,
/// judged only inside torch, numpy or a path of attributes.
constexpr std::string_view kModules[] = {"os", "sys", "subprocess", "builtins", "posix", "nt",
                                         "shutil", "ctypes", "importlib"};
constexpr std::string_view kModulesWithCommonNames[] = {
    "socket", "pickle", "marshal", "runpy", "pty", "inspect", "urllib", "tempfile",
    "multiprocessing"};

/// Top packages whose functions pickles call as a matter of course.
constexpr std::string_view kOrdinaryPackages[] = {
    "PIL", "__torch__", "accelerate", "addict", "apex", "argparse", "array", "ase", "attr",
    "bitsandbytes", "box", "chgnet", "collections", "copyreg", "dataclasses", "datasets",
    "datetime", "decimal", "deepspeed", "detectron2", "dgl", "diffusers", "e3nn", "easydict",
    "enum", "espnet", "fairscale", "fairseq", "fairseq2", "flax", "fractions", "fvcore", "gym",
    "gymnasium", "hydra", "ignite", "jax", "jaxlib", "lightning", "lightning_fabric",
    "lightning_utilities", "megatron", "ml_collections", "mmcv", "mmdet", "mmengine", "monai",
    "munch", "nemo", "networkx", "numpy", "omegaconf", "open_clip", "pandas", "pathlib", "peft",
    "pydantic", "pydantic_core", "pymatgen", "pytorch_lightning", "random", "scipy",
    "sentence_transformers", "sklearn", "speechbrain", "stable_baselines3", "tensordict", "timm",
    "tokenizers", "torch", "torch_geometric", "torch_scatter", "torch_sparse", "torchao",
    "torchaudio", "torchmetrics", "torchrl", "torchtext", "torchvision", "transformers", "typing",
    "ultralytics", "wandb", "yacs", "zoneinfo"};

struct Name {
  std::string_view module;
  std::string_view name;
};

/// Single functions of other modules.
constexpr Name kOrdinaryFunctions[] = {
    {"_codecs", "encode"},      {"builtins", "bool"},      {"builtins", "bytearray"},
    {"builtins", "bytes"},      {"builtins", "complex"},   {"builtins", "dict"},
    {"builtins", "enumerate"},  {"builtins", "float"},     {"builtins", "frozenset"},
    {"builtins", "getattr"},    {"builtins", "int"},       {"builtins", "iter"},
    {"builtins", "list"},       {"builtins", "memoryview"}, {"builtins", "object"},
    {"builtins", "property"},   {"builtins", "range"},     {"builtins", "reversed"},
    {"builtins", "set"},        {"builtins", "slice"},     {"builtins", "staticmethod"},
    {"builtins", "str"},        {"builtins", "super"},     {"builtins", "tuple"},
    {"builtins", "type"},       {"builtins", "zip"},       {"contextlib", "nullcontext"},
    {"functools", "partial"},   {"itertools", "chain"},    {"itertools", "count"},
    {"itertools", "cycle"},     {"itertools", "islice"},   {"itertools", "product"},
    {"itertools", "repeat"},    {"logging", "getLogger"},  {"operator", "itemgetter"},
    {"re", "_compile"},         {"weakref", "ref"}};
// clang-format on

bool is_in(std::string_view module, std::string_view package) {
  return module == package || (module.size() > package.size() && module.starts_with(package) &&
                               module[package.size()] == '.');
}

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view package_of(std::string_view module) { return module.substr(0, module.find('.')); }

std::optional<RiskyGlobal> look_up(std::string_view module, std::string_view name) {
  static const std::unordered_set<std::string_view> kPackages = [] {
    std::unordered_set<std::string_view> packages;
    for (const Entry& entry : kTable) packages.insert(package_of(entry.module));
    return packages;
  }();
  if (!kPackages.contains(package_of(module))) return std::nullopt;
  for (const Entry& entry : kTable) {
    const bool matches = entry.name == "*" ? is_in(module, entry.module)
                                           : module == entry.module &&
                                                 (name == entry.name ||
                                                  name.substr(0, name.find('.')) == entry.name);
    if (matches) return RiskyGlobal{entry.risk, entry.reason};
  }
  return std::nullopt;
}

}  // namespace

bool is_interpreter_attribute(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "__globals__", "__builtins__", "__subclasses__", "__getattribute__", "__import__",
      "__base__",    "__bases__",    "__mro__",        "__dict__",         "__code__",
      "__self__",    "__loader__",   "__spec__",       "__reduce__",       "__reduce_ex__",
      "__setattr__", "__delattr__",  "__closure__",    "f_globals",        "f_builtins",
      "gi_frame",    "tb_frame"};
  return is_one_of(kNames, name);
}

std::optional<RiskyGlobal> risk_of_global(std::string_view module, std::string_view name) {
  if (std::optional<RiskyGlobal> risk = look_up(module, name)) return risk;
  // TorchScript's class names; nothing imports them, and user modules there may be called anything.
  if (is_in(module, "__torch__")) return std::nullopt;
  const bool common_names_count = is_in(module, "torch") || is_in(module, "numpy");
  const bool is_path = name.find('.') != std::string_view::npos;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = name.find('.', begin);
    std::string_view part = name.substr(begin, dot == std::string_view::npos ? dot : dot - begin);
    if (is_interpreter_attribute(part)) return RiskyGlobal{kBad, kReaches};
    while (part.starts_with('_')) part.remove_prefix(1);
    if (is_one_of(kModules, part) ||
        (is_one_of(kModulesWithCommonNames, part) && (common_names_count || is_path))) {
      return RiskyGlobal{kBad, "is a module of the interpreter reached through another module"};
    }
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string deeper = std::string(module) + "." + std::string(name.substr(0, dot));
    begin = dot + 1;
    if (std::optional<RiskyGlobal> risk = look_up(deeper, name.substr(begin))) return risk;
  }
}

bool is_known_name(std::string_view module, std::string_view name) {
  if (is_one_of(kOrdinaryPackages, package_of(module))) return true;
  return std::any_of(
      std::begin(kOrdinaryFunctions), std::end(kOrdinaryFunctions),
      [&](const Name& known) { return module == known.module && name == known.name; });
}

bool is_ordinary_callable(std::string_view module, std::string_view name) {
  if (is_known_name(module, name)) return true;
  std::string_view last = name.substr(name.rfind('.') + 1);
  while (last.starts_with('_')) last.remove_prefix(1);
  return !last.empty() && last.front() >= 'A' && last.front() <= 'Z';
}

}  // namespace torchvet
