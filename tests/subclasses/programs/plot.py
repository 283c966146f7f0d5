"""A processor that makes a plot of each measurement: lines of "x,y" become a picture with the same name.

Usage: plot.py --config CONFIG --topic_name TOPIC --output_dir FOLDER
"""

from pathlib import Path

from openmsistream.utilities import OpenMSIStreamArgumentParser

from openmsistream import DataFileStreamProcessor

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><polyline fill="none" stroke="black" points="{points}"/></svg>'


class PlotProcessor(DataFileStreamProcessor):
    """Makes plots."""

    ARGUMENT_PARSER_TYPE = OpenMSIStreamArgumentParser

    def _process_downloaded_data_file(self, datafile, lock):
        try:
            rows = [line.split(",") for line in datafile.bytestring.decode().splitlines()[1:]]
            xy = [(float(x), float(y)) for x, y in rows]
            rel_path = datafile.relative_filepath
            plot_path = self._output_dir / rel_path.parent / (rel_path.stem + ".svg")
            with lock:
                plot_path.parent.mkdir(parents=True, exist_ok=True)
                self.plot(xy, plot_path)
        except Exception as exc:  # noqa: BLE001 - as users write it
            return exc
        self.logger.info(f"made {plot_path}")
        return None

    @staticmethod
    def plot(xy, path):
        try:
            import matplotlib
        except ImportError:
            xs, ys = [x for x, _ in xy], [-y for _, y in xy]
            box = f"{min(xs)} {min(ys)} {max(xs) - min(xs)} {max(ys) - min(ys)}"
            path.write_text(SVG.format(box=box, points=" ".join(f"{x},{-y}" for x, y in xy)))
            return
        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots()
        axes.plot(*zip(*xy, strict=True))
        figure.savefig(path)
        pyplot.close(figure)

    @classmethod
    def run_from_command_line(cls, args=None):
        parser = cls.get_argument_parser()
        args = parser.parse_args(args=args)
        init_args, init_kwargs = cls.get_init_args_kwargs(args)
        plotter = cls(*init_args, **init_kwargs)
        plotter.logger.info(f"Listening on {args.consumer_topic_name} for files to plot")
        n_read, n_processed, n_files, filepaths = plotter.process_files_as_read()
        plotter.close()
        print(f"READ {n_read} PROCESSED {n_processed} FILES {n_files} {sorted(Path(p).as_posix() for p in filepaths)}")


def main(args=None):
    PlotProcessor.run_from_command_line(args)


if __name__ == "__main__":
    main()
