//! A key made for these tests and what python3 `cryptography` 50.0 (OpenSSL) encrypted for it.

use crate::algorithm::DigestAlgorithm::{self, Sha1, Sha256, Sha384, Sha512};

/// The plain octets of every ciphertext below.
pub(crate) fn plain() -> Vec<u8> {
    (0..32).collect()
}

pub(crate) struct Fixture {
    pub(crate) digest: DigestAlgorithm,
    pub(crate) mgf: DigestAlgorithm,
    pub(crate) label: &'static [u8],
    pub(crate) ciphertext: &'static str,
}

/// The key as PKCS#8 without armor.
pub(crate) const PKCS8: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDMC95STyIzcYN4FIloT+KdXUzM+x5vQOw+6mry\
    WBky6NEh/BJSAYkY1lyEaehsqB65sZt9yJJDtXpVnkrz/M35/4RfGfX1cKdpGS71mfjJHPjaSKtWFRPPARRSX612\
    S8ZmgaMpPU9Tj/unZZeNIXck6gGrJsM/K7uMFoMbL7fM6Sv70ixpRP8C/FDgS580X4FI2cm58Qa9TlAye8fC5iIM\
    zpjq/nxUOfuPQRY/cJxFojbNPHYWRuKuqQWnSeDFZYonv59ODVhNDm3AWg5d9svktC6QtsAWR/53V4V/UrjiwO5I\
    d8N3+RN//QzGLIxXxkAjJo7oioZYe80ireivJymJAgMBAAECggEAO0obkKkj0/Tg8axt/Nxxia5JmapCPquLugBd\
    kQueTtetpQVcwW1my8vF2Ef53FDBlM2R0+vK7Fe4M1aqitjjdQgVC5k8idPxIS3LIlxaGP4NJUhGWN4JAnZa1FCu\
    05fTD4gNw/bnrO1Cf3KapcyalSRV1ciOpTVs6pjEActMygJV0dzzYawNtiwwme7CoUlSRiolzLpvJyWqjAYQ23z/\
    LNf2ldwxBiL/xNMsdOLstEMd53FtvvtjkRjzcsUycJZGxsxW2pK9TR47U7zCwpZOuHTuGMzT9+8PAe3oNzUr5QG9\
    r3AYVZyN+3ZCChJFnjnbu0JDwdSw2jwwm5GO8xnITQKBgQDyj4Pkq10Byhj7j8Zzz12Jd3Fqx2GmcqUaprbWAReC\
    wpgYALBcAKrw4pfnzNljypZnRJV/ivd4ROvDSP+LawiLFImhM8S528xG9CNqq3i72pukMQw4VRIDYnPGyHsM+MgI\
    kHicKAcQw89eGDDw0iH6xLQarMCDA5mCIswBiF2wmwKBgQDXWhD9N6teSv9WryEF6gQVpF36z3FwiWcxhGToRakb\
    Suxs6f+9fLVQ4KWPuOTSFLEKIBzpZCJ+jtXyepD5lCjfOhnHpSvkcYG0jqtEN/FZEP84K/pRs9yA1ClWuqRGzgdT\
    ewVhf6gvjf9j9SJC1IU0RHz62mL89eE/GwI6HUy2qwKBgQCfQIKD286QojOM1nShDICJBJa+WHFQauzjdpmMH+Nj\
    wodBGxKvFPEmfl7lnaUM07Gz01+kAYVAvV9dM8wzqO5PAgjqgaajsB+KZjfqjPITxA9z2ZAAXDobZsREutOvTJdo\
    qBHH1K/u3eCEErXvJseQcR0edlVerzpWKqpuRy3cCQKBgHD28/aAX0qFOM/16fK6QQ5BPHM2oiEQUqts8anN8Nk6\
    Qi8XyGlTo6EbVn2/1XhGFmBjXAcp2dZdgulBVg81owMF7UQG5rFcwVc/h6OvXNEF03tZxmNZYA/MOysdmNLzfHBU\
    FgyA9G6NpCyBCEnaRU2Xp5/HMynSqSd7OX3WpMklAoGAKddn2eDp9ZBLlQJboALYhq2tfWHDvMt/fg3lceekHxZn\
    kiXXasRbI+7z0xtIBrHC53w7ju/KV5JwTz1881fFE1nl/EknHGtetnV+2UoyH4rxbw18CvYODi9phQHTHvQXMgB+\
    Bv5DLEPISdOj4ofUySGZpPqeGHUCcOtP6kHFvrg=";

/// The same key as PKCS#1 without armor.
pub(crate) const PKCS1: &str = "\
    MIIEowIBAAKCAQEAzAveUk8iM3GDeBSJaE/inV1MzPseb0DsPupq8lgZMujRIfwSUgGJGNZchGnobKgeubGbfciS\
    Q7V6VZ5K8/zN+f+EXxn19XCnaRku9Zn4yRz42kirVhUTzwEUUl+tdkvGZoGjKT1PU4/7p2WXjSF3JOoBqybDPyu7\
    jBaDGy+3zOkr+9IsaUT/AvxQ4EufNF+BSNnJufEGvU5QMnvHwuYiDM6Y6v58VDn7j0EWP3CcRaI2zTx2FkbirqkF\
    p0ngxWWKJ7+fTg1YTQ5twFoOXfbL5LQukLbAFkf+d1eFf1K44sDuSHfDd/kTf/0MxiyMV8ZAIyaO6IqGWHvNIq3o\
    rycpiQIDAQABAoIBADtKG5CpI9P04PGsbfzccYmuSZmqQj6ri7oAXZELnk7XraUFXMFtZsvLxdhH+dxQwZTNkdPr\
    yuxXuDNWqorY43UIFQuZPInT8SEtyyJcWhj+DSVIRljeCQJ2WtRQrtOX0w+IDcP256ztQn9ymqXMmpUkVdXIjqU1\
    bOqYxAHLTMoCVdHc82GsDbYsMJnuwqFJUkYqJcy6byclqowGENt8/yzX9pXcMQYi/8TTLHTi7LRDHedxbb77Y5EY\
    83LFMnCWRsbMVtqSvU0eO1O8wsKWTrh07hjM0/fvDwHt6Dc1K+UBva9wGFWcjft2QgoSRZ4527tCQ8HUsNo8MJuR\
    jvMZyE0CgYEA8o+D5KtdAcoY+4/Gc89diXdxasdhpnKlGqa21gEXgsKYGACwXACq8OKX58zZY8qWZ0SVf4r3eETr\
    w0j/i2sIixSJoTPEudvMRvQjaqt4u9qbpDEMOFUSA2Jzxsh7DPjICJB4nCgHEMPPXhgw8NIh+sS0GqzAgwOZgiLM\
    AYhdsJsCgYEA11oQ/TerXkr/Vq8hBeoEFaRd+s9xcIlnMYRk6EWpG0rsbOn/vXy1UOClj7jk0hSxCiAc6WQifo7V\
    8nqQ+ZQo3zoZx6Ur5HGBtI6rRDfxWRD/OCv6UbPcgNQpVrqkRs4HU3sFYX+oL43/Y/UiQtSFNER8+tpi/PXhPxsC\
    Oh1MtqsCgYEAn0CCg9vOkKIzjNZ0oQyAiQSWvlhxUGrs43aZjB/jY8KHQRsSrxTxJn5e5Z2lDNOxs9NfpAGFQL1f\
    XTPMM6juTwII6oGmo7AfimY36ozyE8QPc9mQAFw6G2bERLrTr0yXaKgRx9Sv7t3ghBK17ybHkHEdHnZVXq86Viqq\
    bkct3AkCgYBw9vP2gF9KhTjP9enyukEOQTxzNqIhEFKrbPGpzfDZOkIvF8hpU6OhG1Z9v9V4RhZgY1wHKdnWXYLp\
    QVYPNaMDBe1EBuaxXMFXP4ejr1zRBdN7WcZjWWAPzDsrHZjS83xwVBYMgPRujaQsgQhJ2kVNl6efxzMp0qknezl9\
    1qTJJQKBgCnXZ9ng6fWQS5UCW6AC2IatrX1hw7zLf34N5XHnpB8WZ5Il12rEWyPu89MbSAaxwud8O47vyleScE89\
    fPNXxRNZ5fxJJxxrXrZ1ftlKMh+K8W8NfAr2Dg4vaYUB0x70FzIAfgb+QyxDyEnTo+KH1MkhmaT6nhh1AnDrT+pB\
    xb64";

pub(crate) const FIXTURES: &[Fixture] = &[
    Fixture {
        digest: Sha1,
        mgf: Sha1,
        label: b"",
        ciphertext: "\
            r8RR1MWuV0tGtHSrmsnR9ct510dRj0snws6gCmMRCb3ZzEP8+K6qNnOpbRnQxhse97F/2Z7/GxCT1AUdQ+2uPk2c\
            SvN5frcQIEoDfNwf6VQEFdJtj9x3sAL24O7bDmk+l4ChHRAuF0b/CDRAm5DOka/cTkAE5bv1lSflh7RsS2t1rMf3\
            g9ASJRJFztzkAttKr2QKZBf3UjOgzEXKerHl2/DuUWxRbxUhAo6hXqDW8aSOnyNw5zAsDqqa8j7ppYqkQwC9VzD8\
            UQvSGMX+1xM4m1iEbfltlef1ULZ6YBk0wDUR10RbkgUeDGne3VU4mxc9ryE4CEEIqaK+272+jGxt5w==",
    },
    Fixture {
        digest: Sha256,
        mgf: Sha256,
        label: b"",
        ciphertext: "\
            F4DqZ9PrWr+8d1t59U8K+fsToHWlaJ37BEi2Ookl9TED12gLGEEfAVfKQhGo7rMt7D46TRug9Nfx8aPD7Exdy2tq\
            To0+D1FLltJddG+cRl4eqs3pmvsBTVTkqbUQZlziZgkuYx+4jD2Yh7eQl/E31QONCOKtg2g6UrKZsQP08FYv27Gy\
            jds5qQq5Fdk/DATXukyYRNb6un+ld7ylUnLsV2lrjz46HBIZ7VlKOQaNcXHZPHC9QB4Q7bZi88XfDmI8U9R9TppS\
            JYUlszR2XnMA1RjH+JmduDcpx4Wz2WV+ntTr7LL2PqIlOI5+K/gXcodSB4Dm9mFSp6Znw5aC8kqtfw==",
    },
    Fixture {
        digest: Sha384,
        mgf: Sha384,
        label: b"label",
        ciphertext: "\
            tDXTZEgiswndP3Hxh33sDsknY4KFMWw2/xh8D4k7HTmPBnl3X6BL90QV6jsGNUAx+2m7W1HUm25THMObpb4OjTcW\
            rkeTeUkSYFLMr/hUVd1RurNHr6LlGa4OrvbM+jsrVYZOsXOx19yuKEbkfDPFjLOAS8XUNrP+5s4+DBF2aK+sDkXr\
            0sUbqnXLR6ki7GPRDiViB6jf0wDxkH0JVdzUegtmZNN6gh/CJtGSy4ox/3lr33UsbsX1leWFEXXRy1bXsclqzT7g\
            74sgIoeBfzsfz4/5ER9FPZ8FLxNcDHgEvCdL6qtXZpuM0dplNsdLOHYhGkdFkO/Awa7Ze55JynMv3A==",
    },
    Fixture {
        digest: Sha512,
        mgf: Sha512,
        label: b"",
        ciphertext: "\
            uChBn4R0FeIb4yBhrl80d0YxnPWTpjzR48+W4u0mMou2+yGcQwur7/6tgbuoxxLgXWDoC+wBYyeYkoZJniD5qTA2\
            kwYynIHUiGcRz6A8LoUWjbfkYj1S+I+mMOgcE53s8Q47pK3w/3wkQ2weDWNXL7RGFkGjQZcaPW4hjCVINLjpZBA/\
            ZITbpB2UzVqSrrIWslJOV/a2MBSgHxqe4qw2Wz5EqGuLEZPkekdQjSpZ8j9tjHcCmCHoxJSAf0pRJcuiXg0B1csI\
            rHLXHiI/7YzX70bKffKXWZdP55Rc9i4neHS3MmxDGQ570Enoox/qiTcrr+bRB+lM+ORaSeY4ZlPH0Q==",
    },
    Fixture {
        digest: Sha256,
        mgf: Sha1,
        label: b"",
        ciphertext: "\
            fm0oCMHxuI0eo6U7HMKA71ltKCGD0K9I43LLNJHLW96LspvZ2THNW6z0Gx5FAv0CqMAm7YMyK5wl0kzGzFlVTxnU\
            S1x5PsRfemuTb29f/SJTKwTiBug2ikRie6kDiaSs5zFwv7g41cmdXTzOqVlutSEbcq7Km9wn0Rl/Ti8YhMrcIEhx\
            /itgiIdVmvQPM75lFt08jX/wVcPUtIbMdneDoa0DkW2VUeJ2MXui9DDiUiD24hiZDeUumDQWJ8PKHqJd+72wIXBl\
            P3lYe9bFxJXQCh3CIHxULr0QrzTpY3do0rVQGk38iegW1/YiIhXL9ElGxRNJ54Vd1+IuhKKF0cmvzg==",
    },
    Fixture {
        digest: Sha256,
        mgf: Sha1,
        label: b"label",
        ciphertext: "\
            ll2tRYXZfu+JJzwlofv1x6hxwGzSOr4IrhabjhvGBhQEF1bcX7+GNttvcR/gdzGs7BTx+AdHsDqZ+ZIkVPDGKErP\
            b8RwhFDtHeB/RZsastbadgUpxmhTAXrIETTyPn+gbsrkPtW0x352WoeRhiSq/eSSdrrYTHIztyGcapwreopdwKDn\
            s4j7XJqcwWPlhMd+/N6GU5PE4Uz3vzmwyaUSpwoV+mjadP4ijLh+g4TOh7rbSS8a9q7v+GmYbOq2FsAQB2/+wxeM\
            6xz6swZcw6Ukh7jl2U/ol8aX9ZHF3tDGpSZ/5AQukOB//uPN2BS/Szn5R3l6Ix1vnwCVv36uXPb/tQ==",
    },
    Fixture {
        digest: Sha512,
        mgf: Sha1,
        label: b"",
        ciphertext: "\
            CjPh/tmVSAZZvLbLNmaKUaI+sflXGtQiuzYgE4nYZfsxLKWXb+DeufryL3qm1N3tKwDzN25ow9qEE9jEPTq+077F\
            X++jx9/62xngujs36OPSozkkNm1WnthHujI7JspnsPJtkovLjoXDHMJ/ZpAI0NTRyL1mcW2GBK+4bfgC2rzNYYp7\
            wRy1DwqK1cObHDsj56roYq26KdxxVUY4b75z60P5oUqHWksUk+pc4833d+MPXfeIVxbT++YsBl8q2i4n9CyxkO5P\
            Zlmr1kuddNJilzDbIQvRlkw+vX3NetfuLhHdyl21DLbsjb6U1XpHcEdDQmTIb4k6sDE8I9k1r9UfCQ==",
    },
    Fixture {
        digest: Sha1,
        mgf: Sha256,
        label: b"",
        ciphertext: "\
            mCJXA3At8UyXd3U7WeAd1zseKP1GKOD1QKcS1IihnVRIbBUC8lVhvkyNLl7OidAVxUb92lSpd6XjCjihHUrTXliZ\
            9oOVBxtYabAuUd8dvfNF4jixnpwYcLozdg7QXRDb0K1Zb6otvpCbU/g5fJEW0RPSkCMPSFfaJyeQgPf3UfAE3Z62\
            rEYIAowkUzaVgi2LzQn1cCBnT3GltZgdZwdLEt78JYoBYc6WiKYqWIqcp9tle+EqLuO9oreE3n3TnuW8g/hN1S9t\
            afehMMbDObYuCs1nKIJ5iqFFseHBpkLz/9270Ei6F14zafXVxnxBe/aKmNeHxh3emw8z0Nb0e/QWfQ==",
    },
    Fixture {
        digest: Sha384,
        mgf: Sha512,
        label: b"",
        ciphertext: "\
            jj0CFK+aEgZOOod9e5NlRpdKtuWh3HL7mVxhJGSMMCzb068t0KVK5qUOCKGLFmpQm0Pks0d7hCEKd0v0dDuqb1C9\
            zypFZi5j9nLxcK0zWfXHCSn6afkmUNRPepzwxNodBuYg0V/ItOz314S/4/xf0VuDN0OLotLwVRhvo1q9X+XMjS+N\
            EE4FnEDt3L7Ceby4VOfHuU87E5MePicpy2qwxHMuoExSU3v60yBrMS9A14TNLAN7qYDTz+II9yXj0b3Vm8TnOcxR\
            Js93WcMOZGoHxNgH24Hl9/N8AH3nx8FJntOh0kCAvPjVS+6B6linLeIQaaZlhUukf2Ilj0cghaSCHA==",
    },
];

/// A key of 2052 bits: whole machine words and octets do not fit it.
pub(crate) const ODD_PKCS8: &str = "\
    MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQq+U7lzZWoU4Dt//XLgZMvqJja94wxArlJqo9Am\
    oIVuitYwddifRcF7JLroO0YzjTUy9T4D1a3HCtqp5djBtWEXLA4DnCxgaRIqYwpJycpBOX0+zCVFXMUS+4iPp7rH\
    5k+hg77fy6jJjaubOw7fQdUMr/DtrR7TQ2wzMv6bT6io+CsqGLPW0mnXJyHdA+PqQXd8V8we1bIyTt3rNb1In2MB\
    Sf1LXCGqshNRmONS6uuVtfWRdicucaYztJpPb3bKjkkjbZkdE3V8uhOJhOnHf7VC1FxXANlQc9hseU9Ki+Gw17x8\
    yy0/d6gxnBhAL7CUCRDcbAJ9KL1kIha+XEHSojSpAgMBAAECggEBAPgqgtXURU2r7AKBApAX2ESA/TiGF7FwaVRh\
    AqOxoUiXs3r87zZz62DqsAjLbGqzZ6T49wcOjVcj9hYVfMkBzkhye7M8sM5kPLThaei9kgfvoYr8jbJkDA5J7wkT\
    V+m4sN/AjQURkeHZ7C2eFxnzDT/PUlyH3fuvHkDCbbHi7rOL1ZvDAsaWE6SsTq631y2ay40ojjDvIhWwW116tx3d\
    4/VBzNDk5Otfb69EQNGq7xA9l69FGz+NOYCxXJ7L6inf5SRkzYY3ffaGSooN2WntjDegPAfLv9guDBSLOnldBISv\
    6s+5xP/YJxcZCBxwcIZ3fz9ioJRLhoH9xjg07w4Umt8CgYEDUwYSztp+tWGgSVd0PpqiKfJ6VaDZI5P/uX4SaCi7\
    AYWcEBlh/h6xZxRky8pM0YryzP5R0vcJxeT5NfUgc6E26jhwG1AyKVtRrHBKeBVcgfbMNIcIcfQpilJSATCCmsyQ\
    mVlIT9f0jj8QOQO4rniJv31UWBiWZuYmNej+6i7wxb8CgYEDO1Zdcs1Rz9Rmjp+OZRHkCrii2omeI5x+U69vMgiq\
    ktQGUrmvQP6kkbb2I51+k3cRsPJY7S1zN03OnwbMmcHwUPzI+7XvbI34V3+5WjhiRMz0MRNGfoYtw+R1qR3Yn4rX\
    iKC0YThGebeqZ5TtaPhowQuL8jcyyDHSvi4VGbCQr5cCgYB8/1Vf4KPfzFkYrKm8UEYlVyI01Y1PNnvHKQdXGTRu\
    gstrae8EvklcVJiBflNOK9SB25D1Jaff00PvcvOzSCiiumts95iGjo0ugMfPX4PY6wEPbg4FftFjKbg1yIRGbGmI\
    vJ5sa9HV2tltJmjH55iD8cqjrejZcFCIdpKKnx5qTQKBgQLgsn3RvRxNeO+9rjxIqU6rcU+qU4KaaT5f3Eaige8J\
    gX0D6s4wjM8T5Zx1iEdunkcFjjc7Mw52P3VuS8qiW3xXUVDSOmYw/pYVq+jremueofYLQQOzpF1aIrPW3HnJTwOv\
    aJJWQ5sVxUMaqxVgNFprE5IRI6+3bg4fRL+LOZsMjwKBgQGKZx3u67g4snXAkdmmSGPrSROINRcSPn+0j3kybHAu\
    Bo11wOommFKxVe5/S02FBZU1j1kY3Ts+kDMUxt0LfYMvlxLds7eycTyejnuKorXVFbfz6NgdZ+fXn8GWxi+vU3qE\
    Kufj26+RnknJZbxo7g937E8c0ZvwPyFFw4j/R4pA9A==";

/// [`plain`] for the odd key, with SHA-256 and SHA-1 in the mask.
pub(crate) const ODD_CIPHERTEXT: &str = "\
    Au5ZE2RxUr+ePFdAwiZ2vLnOud7SVh+zwtLGCzC0GtCEtKxTn/upP9b+/dzTr9c3Szg/B22d6U8YQASXL7BDzTs1\
    u67C1aiCwEHFLD+S272oF1lq5T+EepSEmG2UsqbCNnbnGknK3eX1d9WYTBonYiXsE0+Qz6+vN1pAHobozLFL0LJ/\
    GqbKCvYkKMk4DRLoOYSnIkx6K09XNVTBjIJ/t8MYWgQXgQwGFdAjmX3E2q+qlSSfCm/HOwWKf7diY/ApfyquNiPH\
    33Wsu00LSGZoxQvs28bai9gpoBiRdQr+nrQJN9cAFf2XQCVTMElXqGKZx/YfZd59TyRp+DsQq/LYAdY=";
