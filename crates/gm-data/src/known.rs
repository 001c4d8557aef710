//! The data sets known by name, with their descriptions, their sources and the hashes of their files.

use serde::Serialize;

/// A file of a known data set.
///
/// # Examples
///
/// ```
/// // The digest that a download of the training labels of MNIST must have.
/// let mnist = gm_data::datasets().iter().find(|set| set.name == "mnist").expect("MNIST is known");
/// let labels = mnist.files.iter().find(|file| file.name == "train-labels-idx1-ubyte.gz").expect("a file of labels");
/// assert_eq!(labels.bytes, 28_881);
/// assert!(labels.sha256.starts_with("3552534a0a558bbe") && labels.sha256.len() == 64);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its name inside the set's folder.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: &'static str,
}

/// A server that has the files of a data set.
///
/// # Examples
///
/// ```
/// // The address of the first file of MNIST.
/// let mnist = gm_data::datasets().iter().find(|set| set.name == "mnist").expect("MNIST is known");
/// let source = &mnist.sources[0];
/// let address = format!("{}/{}", source.server, source.files[0].name);
/// assert_eq!(address, "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceInfo {
    /// The address of the folder, without a slash at the end.
    pub server: &'static str,
    /// The files on the server. Their format may differ from [`DatasetInfo::files`]; their content is the same.
    pub files: &'static [FileInfo],
}

/// A data set known by name.
///
/// # Examples
///
/// ```
/// let mnist = gm_data::datasets().iter().find(|set| set.name == "mnist").expect("MNIST is known");
/// assert_eq!(mnist.rows, Some([50_000, 10_000, 10_000]));
/// assert_eq!(mnist.files.len(), 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// The name with which to load it. A capital after the colon stands for a number.
    pub name: &'static str,
    /// A description of its content.
    pub description: &'static str,
    /// Numbers of training, validation and test rows; `None` if they depend on the number in the name.
    pub rows: Option<[usize; 3]>,
    /// Number of units of an example; `None` if it depends on the number in the name.
    pub units: Option<usize>,
    /// Whether all values are 0 or 1.
    pub binary: bool,
    /// The work it comes from.
    pub origin: &'static str,
    /// The licence.
    pub licence: &'static str,
    /// Its files in the folder of its name. A built-in set has no files.
    pub files: &'static [FileInfo],
    /// The servers that have it, in the order in which they are tried.
    pub sources: &'static [SourceInfo],
}

impl DatasetInfo {
    /// Whether it needs no files.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.files.is_empty()
    }
}

/// All data sets known by name, the built-in ones first.
///
/// # Examples
///
/// ```
/// let builtin = gm_data::datasets().iter().filter(|set| set.is_builtin());
/// let names: Vec<&str> = builtin.map(|set| set.name).collect();
/// assert_eq!(names, ["digits", "bars-and-stripes:D", "shifter:N"]);
/// ```
#[must_use]
pub fn datasets() -> &'static [DatasetInfo] {
    &DATASETS
}

/// The set with files that has a name.
pub(super) fn find(name: &str) -> Option<&'static DatasetInfo> {
    DATASETS.iter().find(|set| set.name == name && !set.is_builtin())
}

static DATASETS: [DatasetInfo; 6] = [
    DatasetInfo {
        name: "digits",
        description: "handwritten digits of 8 x 8 pixels with 17 grey levels, labels 0 to 9",
        rows: Some([1_199, 299, 299]),
        units: Some(64),
        binary: false,
        origin: "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        licence: "CC BY 4.0",
        files: &[],
        sources: &[],
    },
    DatasetInfo {
        name: "bars-and-stripes:D",
        description: "pictures of D x D pixels whose rows or columns are all equal, 2^(D+1) rows, the same in every split",
        rows: None,
        units: None,
        binary: true,
        origin: "after D. J. C. MacKay: Information Theory, Inference, and Learning Algorithms, 2003",
        licence: "generated",
        files: &[],
        sources: &[],
    },
    DatasetInfo {
        name: "shifter:N",
        description: "N random bits, the same shifted by one left, not, or right, and the shift as one-hot code, 2N+3 units",
        rows: None,
        units: None,
        binary: true,
        origin: "after G. E. Hinton, T. J. Sejnowski: Learning and relearning in Boltzmann machines, 1986",
        licence: "generated",
        files: &[],
        sources: &[],
    },
    DatasetInfo {
        name: "mnist",
        description: "handwritten digits of 28 x 28 pixels with 256 grey levels, labels 0 to 9; \
                      the last 10,000 training rows are for validation",
        rows: Some([50_000, 10_000, 10_000]),
        units: Some(784),
        binary: false,
        origin: "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998",
        licence: "CC BY-SA 3.0 as widely redistributed; the files come without one",
        files: &MNIST,
        sources: &MNIST_SOURCES,
    },
    DatasetInfo {
        name: "binarized_mnist",
        description: "the fixed binarisation of MNIST, 28 x 28 pixels, no labels; the test rows are ordered by digit",
        rows: Some([50_000, 10_000, 10_000]),
        units: Some(784),
        binary: true,
        origin: "R. Salakhutdinov, I. Murray: On the quantitative analysis of deep belief networks, 2008; \
                 as distributed by H. Larochelle",
        licence: "none stated; derived from MNIST",
        files: &BINARIZED_MNIST,
        sources: &BINARIZED_MNIST_SOURCES,
    },
    DatasetInfo {
        name: "caltech101_silhouettes_28",
        description: "outlines of objects, filled, 28 x 28 pixels, 0 inside and 1 outside, labels 1 to 101",
        rows: Some([4_100, 2_264, 2_307]),
        units: Some(784),
        binary: true,
        origin: "B. Marlin, K. Swersky, B. Chen, N. de Freitas: Inductive principles for restricted Boltzmann machine \
                 learning, 2010; outlines from L. Fei-Fei, R. Fergus, P. Perona, 2004",
        licence: "none stated for the silhouettes; Caltech 101 is CC BY 4.0",
        files: &CALTECH,
        // Its own site has only a MATLAB file.
        sources: &[],
    },
];

const fn file(name: &'static str, bytes: u64, sha256: &'static str) -> FileInfo {
    FileInfo { name, bytes, sha256 }
}

static MNIST: [FileInfo; 4] = [
    file("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    file("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    file("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    file("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

static MNIST_SOURCES: [SourceInfo; 2] = [
    SourceInfo { server: "https://ossci-datasets.s3.amazonaws.com/mnist", files: &MNIST },
    SourceInfo { server: "https://storage.googleapis.com/cvdf-datasets/mnist", files: &MNIST },
];

static BINARIZED_MNIST_SOURCES: [SourceInfo; 1] = [SourceInfo {
    server: "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist",
    files: &BINARIZED_MNIST_TEXT,
}];

/// The files as they are distributed: a line for each row, with values separated by spaces.
static BINARIZED_MNIST_TEXT: [FileInfo; 3] = [
    file("binarized_mnist_train.amat", 78_400_000, "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
    file("binarized_mnist_valid.amat", 15_680_000, "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
    file("binarized_mnist_test.amat", 15_680_000, "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
];

static BINARIZED_MNIST: [FileInfo; 3] = [
    file("train-images-idx2-ubyte.gz", 1_844_290, "2ce218f6de2f8bb585e4b75c179b22fa5cd1aa52a1caf9fc633b8a36e9cfffef"),
    file("valid-images-idx2-ubyte.gz", 368_994, "a9e7e301e7e36a3e0c58b8348809db969af4562bffca945e1861216bebf22c64"),
    file("test-images-idx2-ubyte.gz", 349_416, "c4033f508fea79859ad12d180970d0e96c57cb99ff1a41fcab1d3ddc2bffc8d3"),
];

static CALTECH: [FileInfo; 6] = [
    file("train-images-idx3-ubyte.gz", 161_352, "15253e51777929e70dad4e84fefa8d631e5197b3c51b309ea74fd10315f2fa3f"),
    file("train-labels-idx1-ubyte.gz", 3_433, "967d678f0cb084fb59d2230ecf7e343832ddd25be39f3a5f537c05a9bb507dfd"),
    file("valid-images-idx3-ubyte.gz", 87_689, "49ec856cdde31aa2e653044e6999a2fe992095738e7cdc0705debd47eb6d063d"),
    file("valid-labels-idx1-ubyte.gz", 1_680, "24ce5e4ac7e3b91bda87a5f1b9c4456ed1bc8dba20334713a14de931d00b8d5d"),
    file("test-images-idx3-ubyte.gz", 89_300, "2b2109201236d4c80ef51cf77455b3d339ee1d6cbc6af78d39224d084cbb8f7b"),
    file("test-labels-idx1-ubyte.gz", 1_719, "9febda74132bdacf91fa42d546250205600557cc41a1315a50487b6321743170"),
];
