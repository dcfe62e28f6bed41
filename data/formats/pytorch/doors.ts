// Names that a file of weights has no reason to mention: by them a pickle would run programs, read files or reach the network
// if it were run. Nothing is called here, whatever it is; but a file that names one of these is refused as what it is.

/** Modules, with all that lies below them. */
const modules = new Set(
  `os posix nt sys subprocess socket shutil pty runpy webbrowser importlib ctypes pickle _pickle cPickle marshal code codeop
   commands platform operator timeit pdb bdb cProfile profile doctest distutils setuptools pip multiprocessing threading
   asyncio http urllib urllib2 requests httpx aiohttp ftplib smtplib telnetlib ssl select signal mmap tempfile glob site
   inspect gc linecache trace builtins.__dict__ idlelib lib2to3 venv pydoc numexpr cloudpickle dill joblib`.split(
    /\s+/,
  ),
);

/** Functions of Python itself that run or reach something. */
const functions = new Set(
  `eval exec execfile compile open input __import__ getattr setattr delattr globals locals vars breakpoint exit quit help
   apply reload`.split(/\s+/),
);

/** What loads more in PyTorch and NumPy: a pickle inside a pickle, code from a hub, a runner of texts. */
const loaders =
  /^(torch\.(load|hub\b.*|jit\.(load|unsupported\b.*)|package\b.*|storage\._load_from_bytes|utils\.(cpp_extension|bundled_inputs)\b.*|_inductor\b.*|serialization\.load)|numpy\.(load|testing\b.*|distutils\b.*|f2py\b.*|memmap)|_?io\.(open\w*|FileIO)|types\.(Function|Code|Method|Lambda)Type)$/;

/** Whether a name leads out of a file of weights. */
export function isDoor(module: string, name: string): boolean {
  const [top] = module.split(".", 1);
  if (top === "builtins" || top === "__builtin__") return functions.has(name.split(".", 1)[0]);
  return modules.has(top) || loaders.test(`${module}.${name}`);
}
