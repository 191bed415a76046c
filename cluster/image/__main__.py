"""`python -m understudy.cluster.image build`, the same as `understudy image build`."""

from understudy.cluster.image.cli import image

if __name__ == "__main__":
    image(prog_name="python -m understudy.cluster.image")
