//! Certificates and signatures that python3 `cryptography` 50.0 (OpenSSL) made for these tests.

use crate::algorithm::SignatureAlgorithm::{
    self, EcdsaSha256, EcdsaSha384, EcdsaSha512, RsaSha1, RsaSha256, RsaSha384, RsaSha512,
};

/// What every signature below is over.
pub(super) const MESSAGE: &[u8] = b"message";

pub(super) struct Signer {
    pub(super) common_name: &'static str,
    pub(super) certificate: &'static str,
    /// ECDSA as `r || s`.
    pub(super) signatures: &'static [(SignatureAlgorithm, &'static str)],
}

/// All valid from 2020-01-02T03:04:05Z to 2051-06-07T08:09:10Z.
pub(super) const SIGNERS: &[Signer] = &[
    Signer {
        common_name: "RSA Žluťoučký",
        certificate: "\
            MIIC1zCCAb+gAwIBAgIBATANBgkqhkiG9w0BAQsFADAuMRAwDgYDVQQKDAdFeGFtcGxlMRowGAYDVQQDDBFSU0Eg\
            xb1sdcWlb3XEjWvDvTAgFw0yMDAxMDIwMzA0MDVaGA8yMDUxMDYwNzA4MDkxMFowLjEQMA4GA1UECgwHRXhhbXBs\
            ZTEaMBgGA1UEAwwRUlNBIMW9bHXFpW91xI1rw70wggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCj5AVa\
            HOF35RZVkQhe9O+UOOKuXGIe574S8eHE5gCu+pPgyrN8UYe7b7CRxWUpuxefYO/Hb4M9tk6F6nHxyQiQdurBgFvE\
            zuM7GI9exFXBxYXhW+DfdUeqdnvff+0Dt+8Bi6yzFh0hnoLH+boVKxS0dhdbADUUdqwPl5TltvbdeBeIHKupSrk+\
            QtWCSYnQGx9grrRCfqL0xKin1Br95mK6SwV4Ro0U+3m+ARUi+NY1E+Z+bek1dcIFCFjBsIV4zWMAslxnCC7lXCvs\
            QuD8feudPgzmZ2GUXPwjzDCMp900kDgUbiqCrdccwksl5oZV2XUyUylaHBZTe5oOZ/1x85Y7AgMBAAEwDQYJKoZI\
            hvcNAQELBQADggEBAGLZnegC6+mm1W85lpzmSc1OZ+FIXsaBAhuH/L0NYylsr3EsT+DjsuDq5dl/LMPfbBsF3R5v\
            FSjjMwS1bbwhO9s+FbAtX9szzAZe5zW27KstOBPU7gHXe71d6TftXgTm+e7T/usVqeuPi3IW8Ra/IFwBHIyyHnAk\
            WzGlLdcmbs+2uXnvf+ExAY2YVQ0HClFfB9PwGQXmC1rR1Sw6T/taZ0PyGUrH0T6E5oCguimXsIYAmfKAVCi9gJO5\
            hUD0wP4/AoSA2tW9/KJ5bmh6S+2sUnveM87BP7KG0C2V8cq+o+fUdzmL4cLFDcK+wUHC0YeybLiLaTJOT8HGq7HB\
            5/+R1Zc=",
        signatures: &[
            (
                RsaSha1,
                "\
                j7pTD04AxWpfV3KvkKFtPsjCeHYTVaaqNZ4XR3+RGCgtNtE4/ncAN0BCXbKtfdnacTFMqMy3KneIUWZ7GYqybUUz\
                SYEepU6Oh/Ou5ukY9hPXaBkLPvXI/QU8ZaHNn3leu0SzjdNmirFiTm5Hqbq74GUqKqjUo18yWeHHyBerB1zyEOFG\
                TjYWud9k36x+B8gp7hPbTBJ4TGHdf22OBO65+mthc54e2ZGplZUnlXEECmVN/ONib712ThwMjqwuPvDU9avihF94\
                mZ8gas2cGJFn1CS1vM+bQU9uUmdgURlpzW6W1R/dNw1sb4/DMJgGD/DPN+9mbVYJGc8RJ4udfGJzWA==",
            ),
            (
                RsaSha256,
                "\
                Ra7fwwhXZKJ319138IY/ThwFYcEz1sSudOJzW+xBeb//k3HtpP4XSM7r6uujcKfDgc032Tnlq1edBivm/nHIQVov\
                5z7s9CvKI6HhsTKcvuNXEiLkmuXmCMHTCEkakNU2bwMCxkWoqbHeYY9OIlmqEGS6RYVyPlEiCMGVil6/D8zVk1QW\
                p+V0rHQOzXbQ0Ouw8ao3zqHhXGLzrQwaETg0PzYh93QBk0SxhXKGmwzOB8sC4ItonEiAH4UK6g9nCcfZV2uBvSab\
                eY59CwpY4VPLRq8Aaa7Yv03K+ISmLXOXM2aj4C3CfyUDUEftWmnX5L2B1WhudBZpyn7pSYyil7P9yw==",
            ),
            (
                RsaSha384,
                "\
                nenFsRFQFkuBJOIq3hZ6zmt0lfSDWyfE97XVsJirUYiQiGe2ZnKMY/GHYSIs8dGm8ShLN9HzIGXnwpWmJuHiSswC\
                4eKTtG2zWbQYQgkI4XwHgzLhfRwj4vt6a46feYys7T3FmdI+kD1Hq4rGSjZnd/GSErfZIVQOmAQEMl/dz+d6HC33\
                avMFfpHZkodxLQkdFh1u9I4vuH2Efl88NlZfp/wEhKL19QMMVMyAeNDKwtSP9ytvOoUB+LswvwFlxLkhZDEZaW4C\
                gz7IRUbAzfqi74iHj7sDiGYQSUqpRF2hscdhuOg56t1+4HQ0ALpeVvnxgKZJlpUJ+G1yttqoDpyxTQ==",
            ),
            (
                RsaSha512,
                "\
                d2Uzq5lMFk5t2za8InO9/N8EpeQl2MDU6MlSKu6uzShiFARyyAWXndKgNYctS/KEJNvzBg/Rk5W1U4Tq+eiWAHfL\
                YeMcPY31JNsxkSmCRoq+VsMfzLfL3JQucVtfMYfv771lgtbbYb46DmbFvO/RgWLp0zMZ6wD6y8EboRA7xD/rmbrw\
                NWFblawfhmXMlxm6mZvAbR1Bnd1K7yFcvx8s4gvWb3SCMohiwzwULYCWHjrLH4Rxw9ARCwlx5a8ib39zZ0VqkWzR\
                cbbVeFRuD7MgK6nHUzqLqMDRRtFvDsMx27RrkAxfVglO9svwPqxjW1pXkFcUPyYJsg2SEuyWxBidXA==",
            ),
        ],
    },
    Signer {
        common_name: "P-256",
        certificate: "\
            MIIBMjCB2aADAgECAgEBMAoGCCqGSM49BAMCMCIxEDAOBgNVBAoMB0V4YW1wbGUxDjAMBgNVBAMMBVAtMjU2MCAX\
            DTIwMDEwMjAzMDQwNVoYDzIwNTEwNjA3MDgwOTEwWjAiMRAwDgYDVQQKDAdFeGFtcGxlMQ4wDAYDVQQDDAVQLTI1\
            NjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPoEvMlzUpOFcB6THLIbUO8CuOpRCtZztE1oa6o4Vct/G0I69Jjd\
            XI7R86WtScDa4vl++xRLsbfqM1JtQSoyl4cwCgYIKoZIzj0EAwIDSAAwRQIgbieJar12uLE4AT650T0p203jw7NW\
            UivMSnkAUr4EB6ICIQDVXiClWtC173Nmx/F6sT0lx57BNIrF86nj2FbifveuKw==",
        signatures: &[
            (
                EcdsaSha256,
                "\
                Mpfja6mpRZfbEHaunRqUGiKXLD0oI9+MWm0Bz0pJaO0cRnuoXozNjqER4vcP2EP7XxdMvDLUfkwTWQL6mj1IZw==",
            ),
            (
                EcdsaSha384,
                "\
                44/o+RAGDKYVWxCFPMtO64XyoiDvZ+rk8nN36f2KYs4xGUErhoNtduYxN/N9Xu69Z/aEG30bRUbuhVgRgAvjsA==",
            ),
            (
                EcdsaSha512,
                "\
                jCAU5+VpqFStZCm52L+mIvhjKDgAL/adujjCtKpzMD7vtmJGQojIP+XYbLBTPCPtA6A+9gQ0bTGlQ88HdegEFw==",
            ),
        ],
    },
    Signer {
        common_name: "P-384",
        certificate: "\
            MIIBbjCB9qADAgECAgEBMAoGCCqGSM49BAMCMCIxEDAOBgNVBAoMB0V4YW1wbGUxDjAMBgNVBAMMBVAtMzg0MCAX\
            DTIwMDEwMjAzMDQwNVoYDzIwNTEwNjA3MDgwOTEwWjAiMRAwDgYDVQQKDAdFeGFtcGxlMQ4wDAYDVQQDDAVQLTM4\
            NDB2MBAGByqGSM49AgEGBSuBBAAiA2IABEr4jwSvmi3BORwNHA1DwY6XhJ5fwvhj8grOoHISC+dWxKM00rzlqDw4\
            PJLb+ak/4njfWTLthJo6Bhqlo7ShG8t5wHzguFwNHAa3tzqnGz6oTA/8zPe3tyMRLNFroIMzHDAKBggqhkjOPQQD\
            AgNnADBkAjBGNoKCOkfjJF0s72QaBMvHNxcwhEMt5am26pZ77DcMYDus+Ons4SUDBawZtRSY2ioCMDQQyc5KpD29\
            NO2UkekacCR69iMEVeebaZYmzjjTe3VYYP/DtBCCGLZImJ0dBB/kHg==",
        signatures: &[
            (
                EcdsaSha256,
                "\
                533sOD31fpFR6KJIeTbWVkcBt5zl5ICpL19BqpG9f/vSiQaknOoM4diMmzc5mUlRHWmJ6QJWLHQ1FK3dILp79c4C\
                i1Df0jdDP4y2aJI5WpKSONOfU47tv8f4y22QcbQs",
            ),
            (
                EcdsaSha384,
                "\
                wNhruYkvkeldKZHHz3GK/zqvjeiHlACv30jVkjQOCtle0BfUo//Pa5fFaNwgN2AXOM9AH5Y1+GPWPdmG8Vz8UIth\
                uBUMNU/BszodBqCx+ukPUlzuyYXqwrrBv4nfVOY5",
            ),
            (
                EcdsaSha512,
                "\
                A8Qp2K32Xi5rVh8eyS7uwTL5xlwTvN7NAA8GMz2WOGfEhdy786L2IzlbZmRmJjn6akS4mVob5CNZuPTZz0pd6TtS\
                JGb6LXES0CQ4Byirkr7er1PBWRipyZMUMoC2Xtfs",
            ),
        ],
    },
];
