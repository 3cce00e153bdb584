"""The UNet of ModelScope's text-to-video 1.7B, which no host loads by itself: layers, network, file layouts."""
